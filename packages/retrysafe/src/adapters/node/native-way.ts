import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Outlet } from './response.ts'
import { setAll } from './response-arguments.ts'

type Method = (...given: unknown[]) => unknown
const wayMethods = ['writeHead', 'write', 'end', 'destroy', 'flushHeaders', 'emit', 'on'] as const
type WayMethod = (typeof wayMethods)[number]

/**
 * The way to the client that was there before a handler's response was captured, patches of outer middleware included:
 * what these call on the response while we deliver is not the handler's.
 */
export class NativeWay {
  readonly outlet: Outlet
  readonly native: Readonly<Record<WayMethod, Method>>
  /** Whether the connection is gone, whatever the handler is told. */
  isGone: boolean
  /** Somebody beneath says itself when there is room again: a compressor. */
  readonly isPatched: boolean
  /** It is to hold nothing back. */
  flushes = true
  readonly #response: ServerResponse
  /** Hears of the client, whatever the handler hears. */
  readonly #events = new EventEmitter().setMaxListeners(0)
  readonly #flush: Method | undefined
  #isDelivering = false
  #isCaptured = false
  #hasClosed = false
  #beforeHead: () => void = () => {}

  constructor(response: ServerResponse) {
    this.#response = response
    this.isGone = response.destroyed
    const bound = wayMethods.map(name => [name, (response[name] as unknown as Method).bind(response)])
    this.native = Object.fromEntries(bound) as Record<WayMethod, Method>
    this.isPatched = Object.hasOwn(response, 'on')
    const flush = Reflect.get(response, 'flush') as Method | undefined
    this.#flush = flush?.bind(response)
    if (this.isPatched) response.on('drain', () => this.#events.emit('drain'))
    // Who asked for it before the capture hears of it too, and before any handler.
    response.on('close', () => this.#tellClosed())
    this.outlet = this.#openOutlet()
  }

  get isDelivering(): boolean {
    return this.#isDelivering
  }

  /**
   * From now on events of the response are what its handler hears.
   *
   * @param beforeHead called before a head is delivered
   */
  capture(beforeHead: () => void): void {
    this.#isCaptured = true
    this.#beforeHead = beforeHead
    this.flushes = false
  }

  /** What `act` does to the response, we do. */
  deliver<Result>(act: () => Result): Result {
    const before = this.#isDelivering
    this.#isDelivering = true
    try {
      return act()
    } finally {
      this.#isDelivering = before
    }
  }

  /** We hear it, whatever the handler hears. */
  hear(event: 'drain' | 'close'): boolean {
    if (event === 'drain' && this.isPatched) return this.native.emit(event) as boolean
    return event === 'close' ? this.#tellClosed() : this.#events.emit(event)
  }

  /** Once, whoever says it first. */
  #tellClosed(): boolean {
    if (this.#hasClosed) return true
    this.#hasClosed = true
    return this.#events.emit('close')
  }

  /** The response's own, whatever the handler is told. */
  read(name: 'headersSent' | 'writableEnded'): boolean {
    return Boolean(Reflect.get(Object.getPrototypeOf(this.#response) as object, name, this.#response))
  }

  #write(given: unknown[]): boolean {
    const hasRoom = this.native.write(...given) as boolean
    if (this.flushes) this.#flush?.()
    return hasRoom
  }

  #writeHead(status: number, rest: unknown[]): void {
    this.#beforeHead()
    // Beside headers that are or once were set, Node 20 keeps the last one only of several lines of one name.
    if (this.#isCaptured || this.#response.getHeaderNames().length > 0) setAll(this.#response, rest.pop() as string[])
    this.native.writeHead(status, ...rest)
  }

  #emitterOf(event: string): EventEmitter {
    const isOurs = this.#isCaptured || event === 'close' || (this.isPatched && event === 'drain')
    return isOurs ? this.#events : this.#response
  }

  #openOutlet(): Outlet {
    const response = this.#response
    const way = this
    const outlet = {
      req: response.req,
      get socket() {
        return way.deliver(() => response.socket)
      },
      get destroyed() {
        return way.#isCaptured ? way.isGone : response.destroyed
      },
      get headersSent() {
        return way.read('headersSent')
      },
      get writableEnded() {
        return way.read('writableEnded')
      },
      get shouldKeepAlive() {
        return response.shouldKeepAlive
      },
      set shouldKeepAlive(keeps: boolean) {
        response.shouldKeepAlive = keeps
      },
      writeHead: (status: number, ...rest: unknown[]) => {
        this.deliver(() => this.#writeHead(status, rest))
        return outlet
      },
      write: (...given: unknown[]) => this.deliver(() => this.#write(given)),
      end: (...given: unknown[]) => {
        this.deliver(() => this.native.end(...given))
        return outlet
      },
      destroy: (error?: Error) => {
        this.deliver(() => this.native.destroy(error))
        return outlet
      },
      flushHeaders: () => this.deliver(() => this.native.flushHeaders()),
      removeHeader: (name: string) => this.deliver(() => response.removeHeader(name)),
      on: (event: string, listener: () => void) => {
        this.#emitterOf(event).on(event, listener)
        return outlet
      },
      once: (event: string, listener: () => void) => {
        this.#emitterOf(event).once(event, listener)
        return outlet
      },
      off: (event: string, listener: () => void) => {
        this.#events.off(event, listener)
        response.off(event, listener)
        return outlet
      },
    }
    return outlet as unknown as Outlet
  }
}
