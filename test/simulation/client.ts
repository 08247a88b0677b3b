import type { StoreKey } from '../../packages/retrysafe/src/engine/record.ts'
import type { CallAction } from './action.ts'
import type { Truth } from './truth.ts'
import { type Dispatch, nameBytes, type Upstream } from './upstream.ts'
import type { Verdict } from './verdict.ts'
import type { World } from './world.ts'

/** Where an answer comes from: the caller's own run, another's that it follows, or the store. */
export type Source = 'own' | 'joined' | 'replay'

export type ClientEnd =
  | { kind: 'whole'; status: number; dispatch: Dispatch }
  /** An answer that was begun and cut off. */
  | { kind: 'broken' }
  | { kind: 'refused'; code: string; retryAfterMs: number }
  | { kind: 'left' }

export interface ClientParts {
  readonly world: World
  readonly truth: Truth
  readonly upstream: Upstream
  readonly verdict: Verdict
}

/** One client with its one request: everything it receives is held against what was dispatched. */
export class Client {
  readonly call: CallAction
  readonly startedMs: number
  /** Only where it is going to leave: a signal is dear. */
  readonly gone: AbortController | undefined
  ended: ClientEnd | undefined
  /** Called once, when it has got all that it will get. */
  onEnd: (end: ClientEnd) => void = () => {}
  readonly #parts: ClientParts
  readonly #key: StoreKey
  /** The newest fence as this request came: nothing older may be shown to it. */
  readonly #fence: number
  #status = 0
  #source: Source = 'own'
  #dispatch: Dispatch | undefined
  #first: Buffer = Buffer.alloc(0)
  #offsetBytes = 0

  constructor(parts: ClientParts, call: CallAction) {
    this.#parts = parts
    this.call = call
    this.gone = call.leavesAfterMs === undefined ? undefined : new AbortController()
    this.startedMs = parts.world.time.nowMs
    this.#key = `k${call.key}` as StoreKey
    this.#fence = parts.truth.oracle(this.#key).latest?.token.fence ?? 0
  }

  get isOver(): boolean {
    return this.ended !== undefined
  }

  /** An answer begins. */
  begin(status: number, source: Source): void {
    if (this.isOver) return
    this.#status = status
    this.#source = source
  }

  bytes(bytes: Uint8Array): void {
    if (this.isOver || bytes.byteLength === 0) return
    if (this.#dispatch !== undefined) return this.#compare(this.#dispatch, bytes)
    this.#first = Buffer.concat([this.#first, bytes])
    if (this.#first.byteLength < nameBytes) return
    const number = /^#(\d+) k/.exec(this.#first.toString('latin1', 0, nameBytes))?.[1]
    const dispatch = this.#parts.upstream.dispatches[Number(number ?? -1)]
    if (dispatch === undefined) return this.#wrong('I8', 'bytes that no dispatch began with')
    this.#dispatch = dispatch
    this.#checkDispatch(dispatch)
    this.#compare(dispatch, this.#first)
  }

  #compare(dispatch: Dispatch, bytes: Uint8Array): void {
    const expected = dispatch.body.subarray(this.#offsetBytes, this.#offsetBytes + bytes.byteLength)
    this.#offsetBytes += bytes.byteLength
    if (Buffer.compare(expected, bytes) !== 0) this.#wrong('I8', `not the bytes of #${dispatch.number}`)
  }

  #checkDispatch({ key, payload, number, token }: Dispatch): void {
    const { call } = this
    if (key !== call.key || payload !== call.payload) this.#wrong('I3', `#${number} answers k${key} ${payload}`)
    if (this.#source !== 'own' && token.fence < this.#fence) this.#wrong('I6', `#${number} is older than the request`)
  }

  /** The answer is whole. `shownEarly`: before the store had acknowledged it, which rule 10 allows after a second. */
  end(shownEarly = false): void {
    if (this.isOver) return
    const dispatch = this.#dispatch
    if (dispatch === undefined || this.#offsetBytes !== dispatch.body.byteLength) {
      this.#wrong('I8', `ended after ${this.#offsetBytes} bytes`)
      return this.#end({ kind: 'broken' })
    }
    if (this.#status !== dispatch.status) this.#wrong('I2', `status ${this.#status} of #${dispatch.number}`)
    if (this.#status === 200 && dispatch.outcome !== 'stream with error') this.#checkOutcome(dispatch, shownEarly)
    this.#end({ kind: 'whole', status: this.#status, dispatch })
  }

  /** I2: whole outcomes are the recorded one. */
  #checkOutcome(dispatch: Dispatch, shownEarly: boolean): void {
    const grant = this.#parts.truth.oracle(this.#key).grants.get(dispatch.token.fence)
    if (grant?.incarnation.completedBy === grant && grant !== undefined) return
    const { coverage } = this.#parts.world
    if (!shownEarly || this.#source === 'replay') {
      const by = grant?.incarnation.completedBy?.token.fence
      this.#wrong('I2', `#${dispatch.number} (${this.#source}) is shown as the outcome; recorded is that of ${by}`)
    } else coverage.hit('shown before it was recorded')
  }

  breakOff(): void {
    this.#end({ kind: 'broken' })
  }

  refuse(code: string, retryAfterMs = 1_000): void {
    if (code === 'RESULT_NOT_KEPT') this.#checkTooLarge()
    this.#end({ kind: 'refused', code, retryAfterMs })
  }

  /** I5: nothing but its size keeps an outcome out of the store. The refusal may be late, and of an older outcome. */
  #checkTooLarge(): void {
    const { upstream, world } = this.#parts
    const isTooLarge = upstream.dispatches.some(
      ({ key, body }) => key === this.call.key && body.byteLength > world.plan.maxResultBytes,
    )
    if (!isTooLarge) this.#wrong('I5', 'nothing of the key was too large to keep')
  }

  leave(): void {
    this.#end({ kind: 'left' })
  }

  #end(end: ClientEnd): void {
    if (this.isOver) return
    this.ended = end
    this.onEnd(end)
    const { world } = this.#parts
    world.coverage.hit(`client: ${end.kind}${end.kind === 'refused' ? ` ${end.code}` : ''}`)
    world.trace.note(
      world.time.nowMs,
      6_000,
      this.call.id,
      () => `client ${this.call.id} of ${this.#key}: ${words(end)}`,
    )
  }

  #wrong(invariant: string, what: string): void {
    const { verdict, world } = this.#parts
    verdict.wrong(invariant, `client ${this.call.id} of ${this.#key}: ${what}`, world.time.nowMs)
  }
}

function words(end: ClientEnd): string {
  switch (end.kind) {
    case 'whole':
      return `whole answer ${end.status} of #${end.dispatch.number}`
    case 'refused':
      return `refused ${end.code}`
    case 'broken':
    case 'left':
      return end.kind
  }
}
