import { pause, type Surroundings } from '../engine/clock.ts'
import { cooldownMs } from '../engine/cooldown.ts'
import { answerBoundMs, type WaitHeaders } from '../protocol/wait.ts'
import type { HeldAnswer } from './held-answer.ts'
import type { KeyedCall } from './keyed-call.ts'

/** An upstream that wants a longer rest has told its caller so. */
const maxRestMs = 60_000

/** Runs of one call after the first, which its caller does not see: as many as its failures leave. */
export class Retries {
  readonly #call: KeyedCall
  readonly #surroundings: Surroundings
  readonly #endsAtMs: number

  /** @param headers what says how long the client will wait, from now */
  constructor(call: KeyedCall, headers: WaitHeaders, surroundings: Surroundings) {
    this.#call = call
    this.#surroundings = surroundings
    this.#endsAtMs = surroundings.clock.monotonicMs() + answerBoundMs(headers)
  }

  /**
   * Whether another run may follow the next one. Runs of others that this call has waited for count as well: so however
   * many wait for a key, it is run one time more than there are retries, and not that often for each of them.
   */
  get isLeft(): boolean {
    return this.#call.failedRuns.size < this.#call.retries
  }

  /**
   * Waits after a run that failed; but where its key rests, the claim that follows waits, as everybody's does: who paused
   * by itself would miss what fails meanwhile.
   *
   * @returns `none`: there is no time for another; `left`: nobody waits any more
   */
  async next(fence: number, { hasRest }: HeldAnswer): Promise<'run' | 'none' | 'left'> {
    const { failedRuns, signal } = this.#call
    const { timers, random } = this.#surroundings
    failedRuns.add(fence)
    const pauseMs = hasRest ? 0 : cooldownMs(undefined, random, failedRuns.size - 1)
    if (pauseMs > 0) await pause(timers, Math.min(pauseMs, Math.max(0, this.#leftMs())), signal)
    if (signal.aborted) return 'left'
    this.#call.waitMs = Math.min(maxRestMs, this.#leftMs())
    return this.#call.waitMs > 0 ? 'run' : 'none'
  }

  #leftMs(): number {
    return this.#endsAtMs - this.#surroundings.clock.monotonicMs()
  }
}
