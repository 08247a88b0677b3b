import type { Follower } from '../../engine/follower.ts'
import type { Replay } from '../../engine/replay.ts'
import type { Problem } from '../../protocol/problem.ts'
import type { AnswerHead } from '../../server/answer-head.ts'
import type { Caller, KeyNotice, Relaying } from '../../server/caller.ts'
import type { Failure } from '../../server/failure.ts'
import { Relay } from './relay.ts'
import { breakOff, type Outlet, sendLive, sendProblem, sendReplay, sendWhole } from './response.ts'

/** Answers over one of Node's responses. */
export class ResponseCaller implements Caller {
  readonly #response: Outlet

  constructor(response: Outlet) {
    this.#response = response
  }

  problem(problem: Problem, notice: KeyNotice): void {
    sendProblem(this.#response, problem, notice)
  }

  failed(_failure: Failure, problem: Problem, notice: KeyNotice): void {
    this.problem(problem, notice)
  }

  whole(head: { status: number; headers: readonly string[] }, body: Uint8Array, notice: KeyNotice): void {
    sendWhole(this.#response, head, body, notice)
  }

  replay(replay: Replay, notice: KeyNotice): Promise<void> {
    return sendReplay(this.#response, replay, notice)
  }

  live(follower: Follower, headers: readonly string[], notice: KeyNotice): Promise<void> {
    return sendLive(this.#response, follower, headers, notice)
  }

  relay(head: AnswerHead, notice: KeyNotice, resume: () => void): Relaying {
    return new Relay(this.#response, head, notice, resume)
  }

  breakOff(): void {
    breakOff(this.#response)
  }
}
