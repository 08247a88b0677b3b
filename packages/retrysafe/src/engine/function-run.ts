import type { Attempt } from './attempt.ts'
import { within } from './clock.ts'
import { type IdempotencyContext, runAs } from './context.ts'
import { cooldownMs } from './cooldown.ts'
import { RetrysafeError } from './errors.ts'
import { type Follower, followRecording } from './follower.ts'
import { encodeFrame } from './item-frames.ts'
import type { ItemsHead } from './outcome.ts'
import type { AttemptEnd } from './record.ts'
import type { RunWatch, Safe } from './safe.ts'
import type { Turn } from './turn.ts'
import { encodeValue } from './value-codec.ts'

/** The end of a failed run waits for its release, so that the next retry finds the key free; but not for ever. */
const releaseWaitMs = 1_000

export interface FunctionRunTerms {
  readonly safe: Safe
  readonly operation: string
  readonly attempt: Attempt
  readonly effect: () => unknown
  /** Asked once, before anything begins: it may wait for its turn as long as it likes. */
  readonly isWanted: () => boolean | Promise<boolean>
  /** What a throw says of the effect. Default: `failed`. */
  readonly endOf?: (error: unknown) => AttemptEnd
  /** @param stop fires when the run must stop */
  readonly contextOf: (stop: AbortSignal) => IdempotencyContext
  readonly tell: (turn: Turn) => void
}

/** What the function came to. */
export type Settled =
  | { kind: 'value'; value: unknown }
  | { kind: 'thrown'; error: unknown }
  /** It goes on; `whyBroken`: what its caller gets where the follower breaks off. */
  | { kind: 'items'; follower: Follower<ItemsHead>; whyBroken: () => unknown }

export type FunctionRunResult =
  | Settled
  | { kind: 'not begun' }
  /** The record became somebody else's; what the function comes to all the same. */
  | { kind: 'lost'; own: Promise<Settled> }

/** Runs the function once under its attempt. Rejects as `Attempt.begin` does: then it was not called. */
export async function runFunction(terms: FunctionRunTerms): Promise<FunctionRunResult> {
  const { attempt, isWanted, tell } = terms
  const wanted = isWanted()
  if (!(typeof wanted === 'boolean' ? wanted : await wanted)) {
    await attempt.release('free')
    return { kind: 'not begun' }
  }
  const begun = await attempt.begin().catch(error => {
    // The store did not take the mark: nothing was called, so the key is freed as soon as it listens again.
    void attempt.release('free')
    throw error
  })
  if (begun === 'lost') return { kind: 'not begun' }
  tell({ kind: 'begun', attempt: attempt.number })
  return new FunctionRun(terms).result()
}

class FunctionRun {
  readonly #terms: FunctionRunTerms
  readonly #watch: RunWatch | undefined
  readonly #stop = new AbortController()
  #tellLost: () => void = () => {}
  readonly #lost: Promise<void>
  /** What its caller gets where the items break off. */
  #failure: { readonly error: unknown } | undefined

  constructor(terms: FunctionRunTerms) {
    this.#terms = terms
    const { attempt, safe, operation } = terms
    this.#watch = safe.watchRun?.(operation, attempt.number)
    this.#lost = new Promise(resolve => {
      this.#tellLost = resolve
    })
    attempt.onStop(() => this.#stopped())
    if (attempt.isStopped) this.#stopped()
  }

  async result(): Promise<FunctionRunResult> {
    const context = this.#terms.contextOf(this.#stop.signal)
    const execute = (): Promise<Settled> => runAs(context, () => this.#execute())
    const own = this.#watch === undefined ? execute() : this.#watch.within(execute)
    const first = await Promise.race([own, this.#lost])
    return first === undefined || this.#isLost ? { kind: 'lost', own } : first
  }

  get #isLost(): boolean {
    const { attempt } = this.#terms
    return attempt.isStopped && !attempt.isCancelled
  }

  #stopped(): void {
    this.#stop.abort(this.#stopReason())
    if (this.#isLost) this.#tellLost()
  }

  #stopReason(): RetrysafeError {
    const why = this.#isLost ? 'its record was taken over, or removed' : 'an operator cancelled it'
    return new RetrysafeError('LEASE_LOST', `this run of ${this.#terms.operation} must stop: ${why}`)
  }

  /** Never rejects. */
  async #execute(): Promise<Settled> {
    let value: unknown
    let iterator: AsyncIterator<unknown, unknown, undefined> | undefined
    try {
      value = await this.#terms.effect()
      if (isAsyncIterable(value)) iterator = value[Symbol.asyncIterator]()
    } catch (error) {
      await this.#release(this.#terms.endOf?.(error) ?? 'failed')
      return { kind: 'thrown', error }
    }
    return iterator === undefined ? this.#record(value) : this.#openItems(iterator)
  }

  async #record(value: unknown): Promise<Settled> {
    const { attempt } = this.#terms
    let bytes: Uint8Array
    try {
      bytes = encodeValue(value)
    } catch (error) {
      // It had its effect, and nobody will ever have its result: counted, so that it is not repeated for ever.
      await this.#release('broken')
      return { kind: 'thrown', error }
    }
    if (attempt.isCancelled) await this.#release('cancelled')
    else {
      attempt.recording.open({ kind: 'returned value' })
      attempt.recording.write(bytes)
      this.#ended((await attempt.complete()) === 'sealed')
    }
    return { kind: 'value', value }
  }

  #openItems(iterator: AsyncIterator<unknown, unknown, undefined>): Settled {
    const { recording } = this.#terms.attempt
    const head: ItemsHead = { kind: 'yielded items' }
    recording.open(head)
    const follower = followRecording(recording, head, true)
    recording.goLive()
    void this.#recordItems(iterator)
    return { kind: 'items', follower, whyBroken: () => (this.#failure ?? { error: this.#stopReason() }).error }
  }

  /** Takes the items in as fast as they come, whoever reads. Never rejects. */
  async #recordItems(iterator: AsyncIterator<unknown, unknown, undefined>): Promise<void> {
    const { attempt } = this.#terms
    for (let at = 0; ; at++) {
      let step: IteratorResult<unknown, unknown>
      try {
        step = await iterator.next()
      } catch (error) {
        return this.#fail('failed', error)
      }
      if (attempt.isStopped) {
        leave(iterator)
        return this.#fail('cancelled', this.#stopReason())
      }
      try {
        await this.#write(
          encodeFrame(step.done ? 'returned' : 'item', step.value, step.done ? 'return' : `result[${at}]`),
        )
      } catch (error) {
        if (!step.done) leave(iterator)
        return this.#fail('broken', error)
      }
      if (step.done) return this.#ended((await attempt.complete()) === 'sealed')
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { recording } = this.#terms.attempt
    // Only a result that is too large to keep goes at the pace of its reader.
    if (!recording.write(bytes)) await new Promise<void>(resolve => recording.whenRoom(resolve))
  }

  async #fail(end: AttemptEnd, error: unknown): Promise<void> {
    this.#failure = { error }
    await this.#release(end)
  }

  async #release(end: AttemptEnd): Promise<void> {
    const { attempt, safe } = this.#terms
    const { random, timers } = safe.surroundings
    const ended = attempt.isCancelled ? 'cancelled' : end
    const rest = ended === 'cancelled' || ended === 'free' ? 0 : cooldownMs(undefined, random)
    await within(attempt.release(ended, { cooldownMs: rest }), timers, releaseWaitMs)
    this.#ended(false)
  }

  #ended(recorded: boolean): void {
    const { attempt, tell } = this.#terms
    this.#watch?.ended(recorded)
    tell({ kind: 'executed', attempt: attempt.number, recorded, deserted: false })
  }
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof Reflect.get(value, Symbol.asyncIterator) === 'function'
}

/** Tells a source that nobody wants more of it. What it throws is nobody's. */
function leave(iterator: AsyncIterator<unknown, unknown, undefined>): void {
  Promise.resolve()
    .then(() => iterator.return?.())
    .catch(() => {})
}
