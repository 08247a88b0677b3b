import { EventEmitter } from 'node:events'
import type { OutgoingHttpHeader, ServerResponse } from 'node:http'
import { RetrysafeError } from '../../engine/errors.ts'
import type { HandlerAnswer } from '../../server/handler-answer.ts'
import { readHandlerHead } from '../../server/handler-head.ts'
import { HeldConnection } from './held-connection.ts'
import { NativeWay } from './native-way.ts'
import { type Method, method, Overrides } from './overrides.ts'
import type { Outlet } from './response.ts'
import {
  bytesOf,
  type Callback,
  checkStatusMessage,
  type HeadersArgument,
  headersSent,
  optionsOf,
  rawNamesOf,
  readStatus,
  setAll,
} from './response-arguments.ts'

/**
 * A response whose handler writes to us: from `capture` on, `writeHead`, `write`, `end` and whatever is built on them (a
 * framework's helpers, `pipe`) go to a `HandlerAnswer`. What the client gets goes through `outlet`, the way that was
 * there before. The handler's response outlives its client: `close` comes when the handler has answered, or is stopped.
 */
export class CapturedResponse {
  readonly outlet: Outlet
  readonly #response: ServerResponse
  readonly #way: NativeWay
  readonly #outer: readonly (readonly [name: string, value: OutgoingHttpHeader])[]
  readonly #outerStatus: number
  #answer: HandlerAnswer | undefined
  readonly #overrides = new Overrides()
  #held: HeldConnection | undefined
  /** Where the handler waits for room, if what it would wait for is a compressor's own. */
  readonly #drains = new EventEmitter().setMaxListeners(0)
  #hasHead = false
  #hasEnded = false
  #needsDrain = false
  #hasClosed = false

  constructor(response: ServerResponse) {
    this.#response = response
    this.#way = new NativeWay(response)
    this.outlet = this.#way.outlet
    this.#outer = Object.entries(response.getHeaders()).map(([name, value]) => [name, value ?? ''] as const)
    this.#outerStatus = response.statusCode
  }

  /** From now on the handler writes to `answer`. */
  capture(answer: HandlerAnswer): void {
    this.#answer = answer
    this.#way.capture(() => this.#forgetHeaders())
    this.#overrides.put(this.#response, {
      ...this.#methods(answer),
      ...this.#headerMethods(),
      headersSent: this.#view('headersSent', () => this.#hasHead),
      writableEnded: this.#view('writableEnded', () => this.#hasEnded),
      writableNeedDrain: { get: () => this.#needsDrain, configurable: true, enumerable: false },
    })
    this.#held = new HeldConnection(this.#response, this.#way, this.#overrides, {
      isHeld: () => this.#isHeld,
      destroyed: () => answer.abandon('The handler destroyed its connection.'),
    })
  }

  /** Whoever writes from now on writes to the client. */
  release(): void {
    this.#overrides.remove()
  }

  /** The handler may write on, or is not listened to any more. */
  tellRoom(): void {
    if (this.#answer?.isOver) this.#tellClose()
    if (!this.#needsDrain) return
    this.#needsDrain = false
    if (this.#way.isPatched) this.#drains.emit('drain')
    else this.#way.native.emit('drain')
  }

  /** What somebody else answered is sent instead: nothing of the handler's head counts. */
  forgetHandler(): void {
    this.#way.deliver(() => {
      for (const name of this.#response.getHeaderNames()) this.#response.removeHeader(name)
      for (const [name, value] of this.#outer) this.#response.setHeader(name, value)
    })
    this.#response.statusCode = this.#outerStatus
    this.#response.statusMessage = ''
  }

  /** What it keeps of them comes with the head that is written. Whether the connection lives on is the handler's to say. */
  #forgetHeaders(): void {
    for (const name of this.#response.getHeaderNames()) {
      const isKept = name === 'connection' || this.isOuter(name, String(this.#response.getHeader(name)))
      if (!isKept) this.#response.removeHeader(name)
    }
  }

  isOuter(name: string, value: string): boolean {
    return this.#outer.some(([outer, given]) => outer === name && String(given) === value)
  }

  #writeHead(status: number, rest: unknown[]): ServerResponse {
    if (this.#hasHead) throw headersSent()
    const [first, second] = rest
    this.#response.statusCode = readStatus(status)
    if (typeof first === 'string') this.#response.statusMessage = first
    setAll(this.#response, (typeof first === 'string' ? second : (first ?? second)) as HeadersArgument | undefined)
    this.#takeHead(undefined)
    return this.#response
  }

  /** @param wholeBytes length of the body, where the handler said all of it at once */
  #takeHead(wholeBytes: number | undefined): void {
    if (this.#hasHead || this.#answer === undefined) return
    const response = this.#response
    const status = readStatus(response.statusCode)
    checkStatusMessage(response.statusMessage)
    if (wholeBytes !== undefined && !response.hasHeader('content-length') && !response.hasHeader('transfer-encoding')) {
      response.setHeader('Content-Length', wholeBytes)
    }
    const pairs = rawNamesOf(response).flatMap(name => {
      const value = response.getHeader(name)
      return (Array.isArray(value) ? value : [value]).flatMap(each => [name, String(each)])
    })
    this.#hasHead = true
    this.#answer.head(readHandlerHead(status, pairs, (name, value) => this.isOuter(name, value)))
  }

  #write(chunk: unknown, encoding: BufferEncoding | undefined, callback: Callback | undefined): boolean {
    const bytes = bytesOf(chunk, encoding)
    if (this.#hasEnded) return this.#refuseLate(callback)
    this.#takeHead(undefined)
    const hasRoom = this.#answer?.write(bytes) ?? true
    if (!hasRoom) this.#needsDrain = true
    if (callback !== undefined) process.nextTick(callback)
    return hasRoom
  }

  #end(given: unknown[]): ServerResponse {
    const chunk = typeof given[0] === 'function' ? undefined : given[0]
    const [encoding, callback] = optionsOf(chunk === undefined ? given : given.slice(1))
    const bytes = chunk === undefined || chunk === null ? undefined : bytesOf(chunk, encoding)
    if (this.#hasEnded) {
      if (bytes !== undefined) this.#refuseLate(callback)
      else callback?.(Object.assign(new Error('end was called twice'), { code: 'ERR_STREAM_ALREADY_FINISHED' }))
      return this.#response
    }
    if (callback !== undefined) this.#response.once('finish', () => callback())
    this.#takeHead(bytes?.byteLength ?? 0)
    if (bytes !== undefined) this.#answer?.write(bytes)
    this.#hasEnded = true
    this.#answer?.end()
    this.#tellClose()
    return this.#response
  }

  /** Node would end the process for it where nobody listens. */
  #refuseLate(callback: Callback | undefined): boolean {
    const error = Object.assign(new RetrysafeError('HANDLER_FAILED', 'the handler wrote after its end'), {
      nodeCode: 'ERR_STREAM_WRITE_AFTER_END',
    })
    if (callback !== undefined) process.nextTick(callback, error)
    else if (this.#response.listenerCount('error') > 0) process.nextTick(() => this.#way.native.emit('error', error))
    return false
  }

  #emit(event: string | symbol, rest: unknown[]): boolean {
    if (event === 'drain') return this.#way.hear('drain')
    if (event !== 'close') return this.#way.native.emit(event, ...rest) as boolean
    this.#hasClosed = true
    this.#way.hear('close')
    this.#tellClose()
    return true
  }

  get #isHeld(): boolean {
    return !this.#hasEnded && !this.#answer?.isOver
  }

  /** Once it has closed, and may be heard to have. */
  #tellClose(): void {
    if (!this.#hasClosed || this.#isHeld) return
    this.#hasClosed = false
    this.#held?.tell()
    this.#way.native.emit('close')
  }

  #methods(answer: HandlerAnswer): PropertyDescriptorMap {
    const { native } = this.#way
    const own: Record<string, Method> = {
      writeHead: (status, ...rest) => this.#writeHead(Number(status), rest),
      flushHeaders: () => this.#takeHead(undefined),
      write: (chunk, ...rest) => this.#write(chunk, ...optionsOf(rest)),
      end: (...given) => this.#end(given),
      destroy: error => {
        answer.fail(error ?? new Error('the handler destroyed its response'))
        return this.#response
      },
    }
    const map: PropertyDescriptorMap = {}
    for (const [name, handled] of Object.entries(own)) {
      const delivered = native[name as keyof typeof native]
      map[name] = method((...given) => (this.#way.isDelivering ? delivered(...given) : handled(...given)))
    }
    map['emit'] = method((event, ...rest) => this.#emit(event as string, rest))
    if (this.#way.isPatched) {
      for (const name of ['on', 'addListener', 'off', 'removeListener'] as const) {
        const beneath = (this.#response[name] as Method).bind(this.#response)
        map[name] = method((event, ...rest) => {
          if (event !== 'drain') return beneath(event, ...rest)
          this.#drains[name]('drain', rest[0] as Method)
          return this.#response
        })
      }
    }
    if (Reflect.has(this.#response, 'flush')) {
      map['flush'] = method(() => {
        this.#way.flushes = true
      })
    }
    return map
  }

  #headerMethods(): PropertyDescriptorMap {
    const map: PropertyDescriptorMap = {}
    for (const name of ['setHeader', 'appendHeader', 'removeHeader', 'setHeaders'] as const) {
      const native = this.#response[name] as Method | undefined
      if (native === undefined) continue
      map[name] = method((...given) => {
        if (this.#hasHead && !this.#way.isDelivering) throw headersSent()
        return native.apply(this.#response, given)
      })
    }
    return map
  }

  /** The handler's view; what is beneath has its own. */
  #view(name: 'headersSent' | 'writableEnded', handled: () => boolean): PropertyDescriptor {
    const get = (): boolean => (this.#way.isDelivering ? this.#way.read(name) : handled())
    return { get, set: () => {}, configurable: true, enumerable: false }
  }
}
