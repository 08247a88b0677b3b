import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { startOnFreePort } from './free-port.ts'
import { moveUrl, type Place } from './place.ts'

/** Where bytes come from. */
export type Side = 'client' | 'server'

export interface TcpCounts {
  /** Connections of clients so far. */
  readonly connections: number
  /** Those that are open now. */
  readonly open: number
  /** Bytes that were let through, by where they came from. */
  readonly bytes: Readonly<Record<Side, number>>
}

/** Stands between clients and a server, and lets their connections go wrong. It knows nothing of what they say. */
export interface TcpProxy extends Place {
  /** The URL of the server, with this proxy in its place. */
  through(url: string): string
  counts(): TcpCounts
  /** Breaks all connections at once: both sides see a reset. */
  cut(): void
  /**
   * Lets exactly `bytes` more from `side` through on a connection and cuts that connection at the next one: the other
   * side gets these bytes and then the end, `side` sees a reset. Each connection counts for itself, from now on. `0` of
   * the server: the command is executed, and nothing of its answer arrives. Resolves after the cut; holds for one cut,
   * and a second call takes the place of the first.
   */
  cutAfter(side: Side, bytes: number): Promise<void>
  /**
   * Nothing from this side (without one: from either) arrives any more, neither bytes nor the end of a connection: a
   * peer that is out of reach, and nobody knows. New connections are taken, and it is the same with them.
   */
  stall(side?: Side): void
  /** The end of all stalls: what was held up arrives. */
  resume(): void
  /** New connections are refused; those that are there stay. */
  refuse(): void
  /** The end of `refuse`. */
  accept(): Promise<void>
  /** From now on every piece of bytes is this late. One piece at a time: large amounts become slow too. */
  delay(delayMs: number): void
  /** Its end, with all connections. */
  stop(): void
}

/** Starts a proxy on 127.0.0.1 before the server at `target`, which need not be there yet. */
export async function startTcpProxy(target: Place): Promise<TcpProxy> {
  const links = new Links(target)
  const host = '127.0.0.1'
  let listener = await startOnFreePort(listen)
  const { port } = listener.address() as AddressInfo

  async function listen(onPort: number): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, client => void links.open(client))
    server.listen(onPort, host)
    await once(server, 'listening')
    return server
  }

  return {
    host,
    port,
    through: url => moveUrl(url, { host, port }),
    counts: () => links.counts(),
    cut: () => links.cut(),
    cutAfter: (side, bytes) => links.cutAfter(side, bytes),
    stall: side => links.stall(side),
    resume: () => links.resume(),
    refuse: () => void listener.close(),
    async accept() {
      if (!listener.listening) listener = await listen(port)
    },
    delay(delayMs) {
      links.delayMs = delayMs
    },
    stop() {
      listener.close()
      links.cut()
      links.resume()
    },
  }
}

/** One way of one connection. */
interface Way {
  readonly side: Side
  readonly from: Socket
  readonly to: Socket
  /** Bytes let through since `cutAfter`. */
  passed: number
}

/** A cut that waits for its byte. */
interface Trap {
  readonly side: Side
  readonly bytes: number
  readonly tell: () => void
}

/** All connections through a proxy. */
class Links {
  delayMs = 0
  readonly #target: Place
  readonly #sockets = new Set<Socket>()
  readonly #ways = new Set<Way>()
  readonly #gates = { client: new Gate(), server: new Gate() }
  readonly #bytes = { client: 0, server: 0 }
  #connections = 0
  #open = 0
  #trap: Trap | undefined

  constructor(target: Place) {
    this.#target = target
  }

  counts(): TcpCounts {
    return { connections: this.#connections, open: this.#open, bytes: { ...this.#bytes } }
  }

  async open(client: Socket): Promise<void> {
    this.#connections += 1
    this.#open += 1
    client.once('close', () => {
      this.#open -= 1
    })
    this.#hold(client)
    await this.#gates.client.passage()
    if (client.destroyed) return
    const { host, port } = this.#target
    const server = connect({ host, port, allowHalfOpen: true, noDelay: true })
    this.#hold(server)
    await Promise.all([this.#carry('client', client, server), this.#carry('server', server, client)])
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  cutAfter(side: Side, bytes: number): Promise<void> {
    for (const way of this.#ways) way.passed = 0
    return new Promise(tell => {
      this.#trap = { side, bytes, tell }
    })
  }

  stall(side?: Side): void {
    if (side !== 'server') this.#gates.client.close()
    if (side !== 'client') this.#gates.server.close()
  }

  resume(): void {
    this.#gates.client.open()
    this.#gates.server.open()
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket)
    // Whoever reads it hears of the error too.
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }

  async #carry(side: Side, from: Socket, to: Socket): Promise<void> {
    const way: Way = { side, from, to, passed: 0 }
    this.#ways.add(way)
    try {
      // The other way may still be in use when this one has ended.
      for await (const bytes of from.iterator({ destroyOnReturn: false })) {
        if (this.delayMs > 0) await pause(this.delayMs)
        await this.#gates[side].passage()
        await this.#pass(way, bytes as Buffer)
      }
      await this.#gates[side].passage()
      to.end()
    } catch {
      await this.#gates[side].passage()
      to.resetAndDestroy()
    } finally {
      this.#ways.delete(way)
    }
  }

  async #pass(way: Way, bytes: Buffer): Promise<void> {
    const { side, from, to } = way
    const trap = this.#trap?.side === side && way.passed + bytes.length > this.#trap.bytes ? this.#trap : undefined
    const passing = trap === undefined ? bytes : bytes.subarray(0, trap.bytes - way.passed)
    way.passed += passing.length
    this.#bytes[side] += passing.length
    if (trap === undefined) {
      if (!to.destroyed && !to.write(passing)) await roomIn(to)
      return
    }
    this.#trap = undefined
    // Not a reset: that could overtake the bytes.
    to.end(passing, () => to.destroy())
    from.resetAndDestroy()
    trap.tell()
  }
}

class Gate {
  #opening: Promise<void> | undefined
  #open: () => void = () => {}

  close(): void {
    this.#opening ??= new Promise(resolve => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
    this.#opening = undefined
  }

  async passage(): Promise<void> {
    // It may be closed again before who waited comes through.
    while (this.#opening !== undefined) await this.#opening
  }
}

/** Until a socket takes more, or never will. */
function roomIn(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}
