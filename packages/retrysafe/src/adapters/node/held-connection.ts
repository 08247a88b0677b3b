import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { HeldSocket, type HeldSocketTerms } from './held-socket.ts'
import type { NativeWay } from './native-way.ts'
import { type Method, method, type Overrides } from './overrides.ts'

/** What a handler sees of its client's connection: by response, request and socket it hears of the end when it may. */
export class HeldConnection {
  readonly #way: NativeWay
  readonly #overrides: Overrides
  readonly #terms: HeldSocketTerms
  #held: HeldSocket | undefined
  #closeRequest: () => void = () => {}

  constructor(response: ServerResponse, way: NativeWay, overrides: Overrides, terms: HeldSocketTerms) {
    this.#way = way
    this.#overrides = overrides
    this.#terms = terms
    this.#holdResponse(response)
    this.#holdRequest(response.req)
  }

  /** What was held back. */
  tell(): void {
    this.#closeRequest()
    this.#held?.tell()
  }

  /** Neither the response nor its connection shows that the client has left, as long as that is held back. */
  #holdResponse(response: ServerResponse): void {
    for (const name of ['destroyed', '_closed'] as const) {
      let value: unknown = Reflect.get(response, name)
      const get = (): unknown => value === true && !this.#terms.isHeld()
      const set = (now: unknown): void => {
        value = now
        if (name === 'destroyed') this.#way.isGone = now === true
      }
      this.#overrides.put(response, { [name]: { get, set, configurable: true, enumerable: true } })
      this.#overrides.whenRemoved(() => Reflect.set(response, name, value))
    }
    for (const owner of [response, response.req]) {
      let socket = owner.socket as Socket | null
      const get = (): Socket | null => (this.#way.isDelivering ? socket : this.#holdSocket(socket))
      const set = (now: Socket | null): void => {
        socket = now
      }
      this.#overrides.put(owner, { socket: { get, set, configurable: true, enumerable: true } })
      this.#overrides.whenRemoved(() => Reflect.set(owner, 'socket', socket))
    }
  }

  /** Its body is here: it may be read though its client has left, and is not closed for that as long as that is held. */
  #holdRequest(request: IncomingMessage): void {
    const destroy = request.destroy.bind(request)
    const hold = (error?: Error): typeof request => {
      // Node itself, for a client that has left (`abortIncoming`).
      if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ECONNRESET') return destroy(error)
      if (this.#terms.isHeld() && request.complete) {
        this.#closeRequest = () => void destroy(error)
        return request
      }
      // We hear it first: what the handler ends for that reason is not whole.
      this.#way.isGone = true
      this.#way.hear('close')
      return destroy(error)
    }
    this.#overrides.put(request, { destroy: method(hold as Method) })
  }

  #holdSocket(socket: Socket | null): Socket | null {
    if (socket === null) return null
    this.#held ??= new HeldSocket(socket, this.#terms)
    return this.#held.socket
  }
}
