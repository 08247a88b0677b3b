import type { Follower } from '../../engine/follower.ts'
import type { Replay } from '../../engine/replay.ts'
import type { Problem } from '../../protocol/problem.ts'
import type { KeyNotice } from '../../server/caller.ts'
import type { Failure } from '../../server/failure.ts'
import type { CapturedResponse } from './captured-response.ts'
import { ResponseCaller } from './response-caller.ts'

/** Answers beneath a handler: what somebody else answered is sent without what the handler has set. */
export class CapturedCaller extends ResponseCaller {
  readonly #captured: CapturedResponse
  readonly #threw: (error: unknown) => void

  /** @param threw gets what a handler threw before it had answered, and answers it on the response as it was */
  constructor(captured: CapturedResponse, threw: (error: unknown) => void) {
    super(captured.outlet)
    this.#captured = captured
    this.#threw = threw
  }

  override problem(problem: Problem, notice: KeyNotice): void {
    this.#captured.forgetHandler()
    super.problem(problem, notice)
  }

  override failed(failure: Failure, problem: Problem, notice: KeyNotice): void {
    const { error } = failure
    if (problem.code !== 'HANDLER_FAILED' || error === undefined) return this.problem(problem, notice)
    this.#captured.forgetHandler()
    this.#captured.release()
    this.#threw(error)
  }

  override replay(replay: Replay, notice: KeyNotice): Promise<void> {
    this.#captured.forgetHandler()
    return super.replay(replay, notice)
  }

  override live(follower: Follower, headers: readonly string[], notice: KeyNotice): Promise<void> {
    if (notice.outcome !== 'executed') this.#captured.forgetHandler()
    return super.live(follower, headers, notice)
  }
}
