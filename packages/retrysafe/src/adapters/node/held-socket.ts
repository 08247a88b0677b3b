import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

export interface HeldSocketTerms {
  /** Whether the handler is not to hear that its client has left. */
  isHeld(): boolean
  /** The handler has destroyed the connection. */
  destroyed(): void
}

/**
 * A handler's connection: it hears of its end when it may. `on-finished`, on which `send` and others stand, listens
 * here, and gives an answer up when its client leaves; `finalhandler` destroys it for an error in mid-answer.
 */
export class HeldSocket {
  readonly socket: Socket
  readonly #events = new EventEmitter().setMaxListeners(0)
  readonly #connection: Socket

  constructor(connection: Socket, terms: HeldSocketTerms) {
    this.#connection = connection
    this.socket = new Proxy(connection, {
      get: (_, name) => {
        if (name === 'writable' || name === 'readable') return terms.isHeld() || connection[name]
        if (name === 'destroy') return (error?: Error) => this.#destroy(error, terms)
        const value: unknown = Reflect.get(connection, name, connection)
        return typeof value === 'function' ? this.#bound(name, value as Method) : value
      },
      set: (_, name, value) => Reflect.set(connection, name, value, connection),
    })
  }

  /** What was held back. */
  tell(): void {
    if (this.#connection.destroyed) this.#events.emit('close', false)
    else for (const listener of this.#events.rawListeners('close')) this.#connection.on('close', listener as Method)
    this.#events.removeAllListeners()
  }

  #destroy(error: Error | undefined, terms: HeldSocketTerms): Socket {
    // Node itself, for a client that has left (`abortIncoming`).
    if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ECONNRESET') terms.destroyed()
    this.#connection.destroy(error)
    return this.socket
  }

  #bound(name: string | symbol, method: Method): Method {
    return (...given) => {
      const isOwn = listening.has(name) && endings.has(given[0])
      const answer = isOwn
        ? Reflect.get(this.#events, name).apply(this.#events, given)
        : method.apply(this.#connection, given)
      return answer === this.#events || answer === this.#connection ? this.socket : answer
    }
  }
}

type Method = (...given: unknown[]) => unknown

const endings = new Set<unknown>(['close', 'error', 'end'])
const listening = new Set<string | symbol>([
  'on',
  'once',
  'addListener',
  'prependListener',
  'prependOnceListener',
  'off',
  'removeListener',
])
