import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Place } from './place.ts'

/** The request header that says where its answer is cut: a name, and the bytes of the answer that are let through. */
export const cutHeader = 'Cut-Answer'

/** Stands between HTTP clients and a server, and cuts each answer where its request says. */
export interface CuttingProxy {
  readonly url: string
  /** Cuts so far. */
  struck(): number
  stop(): void
}

/**
 * Starts a proxy on 127.0.0.1. `Cut-Answer: NAME/BYTES` on a request: of its answer, counted from the first byte of its
 * head, exactly so many bytes arrive, then the end of the connection, if there is one more. It strikes once for a name:
 * what the client does about it goes through.
 */
export async function startCuttingProxy(target: Place): Promise<CuttingProxy> {
  const names = new Set<string>()
  const sockets = new Set<Socket>()
  let struck = 0

  /** How many bytes of its answer a request lets through; `undefined`: these bytes begin none. */
  function allowanceOf(bytes: Buffer): number | undefined {
    const head = bytes.toString('latin1')
    if (!/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(head)) return undefined
    const [, name, allowed] = /^cut-answer: (\S+)\/(\d+)\r$/im.exec(head) ?? []
    if (name === undefined || names.has(name)) return Number.POSITIVE_INFINITY
    names.add(name)
    return Number(allowed)
  }

  function link(client: Socket): void {
    const server = connect({ host: target.host, port: target.port, noDelay: true })
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('end', () => other.end())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroySoon()
      })
    }
    let left = Number.POSITIVE_INFINITY
    client.on('data', bytes => {
      left = allowanceOf(bytes) ?? left
      server.write(bytes)
    })
    server.on('data', bytes => {
      if (client.writableEnded) return
      if (bytes.length <= left) {
        left -= bytes.length
        client.write(bytes)
        return
      }
      struck += 1
      // Not a reset: that could overtake the bytes.
      client.end(bytes.subarray(0, left), () => client.destroy())
      server.resetAndDestroy()
    })
  }

  const listener = createServer({ noDelay: true }, link).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    struck: () => struck,
    stop() {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
