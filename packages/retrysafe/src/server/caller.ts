import type { Follower } from '../engine/follower.ts'
import type { Replay } from '../engine/replay.ts'
import type { OutcomeWord } from '../protocol/headers.ts'
import type { Problem } from '../protocol/problem.ts'
import type { AnswerHead } from './answer-head.ts'
import type { Failure } from './failure.ts'

/** What one response says about its key. */
export interface KeyNotice {
  readonly outcome: OutcomeWord
  /** The key in force, where it is told. */
  readonly key: string | undefined
  /** The id of the stream that it hands out. */
  readonly stream?: string
}

/** Who is answered, whatever carries the answer. Exactly one of these is called, once; `breakOff` may follow it. */
export interface Caller {
  problem(problem: Problem, notice: KeyNotice): void
  /** The run gave no answer, and nothing has been shown. */
  failed(failure: Failure, problem: Problem, notice: KeyNotice): void
  /** A whole answer that is here. */
  whole(head: { status: number; headers: readonly string[] }, body: Uint8Array, notice: KeyNotice): void
  /** An outcome from the store. */
  replay(replay: Replay, notice: KeyNotice): Promise<void>
  /** A running answer as it comes. */
  live(follower: Follower, headers: readonly string[], notice: KeyNotice): Promise<void>
  /** An answer that is not recorded: head now, the rest as it comes. `resume` is called when there is room again. */
  relay(head: AnswerHead, notice: KeyNotice, resume: () => void): Relaying
  /** What has been shown must not pass for a whole answer. */
  breakOff(): void
}

/** Hands one answer on. Its end is shown by `end` and not before, also where a length tells it: the key is free by then. */
export interface Relaying {
  /** @returns false when the source should wait */
  write(bytes: Uint8Array): boolean
  end(): void
  /** The answer is not whole. */
  cut(): void
}
