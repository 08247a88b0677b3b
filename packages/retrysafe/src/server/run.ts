import type { Attempt } from '../engine/attempt.ts'
import { type Surroundings, within } from '../engine/clock.ts'
import { cooldownMs } from '../engine/cooldown.ts'
import { type Follower, followRecording } from '../engine/follower.ts'
import type { HttpHead } from '../engine/outcome.ts'
import type { AttemptEnd } from '../engine/record.ts'
import { outcomeUnknown } from '../engine/refusal.ts'
import type { Problem } from '../protocol/problem.ts'
import { parseRetryAfter } from '../protocol/seconds.ts'
import { isUnanswered } from '../protocol/unanswered.ts'
import { isStream, selectWatcher } from '../providers/select.ts'
import type { AnswerWatcher, Verdict } from '../providers/watcher.ts'
import type { AnswerHead } from './answer-head.ts'
import type { Caller, KeyNotice, Relaying } from './caller.ts'
import type { Failure } from './failure.ts'
import { endInPart, endOfWhole, type RunEnding } from './run-end.ts'
import { isIn, type StatusRange } from './status-range.ts'

/** A plain answer up to this length waits whole until it is recorded; a longer one is delivered as it comes. */
const plainBytes = 262_144
/** JSON without a length may be a plain answer or a stream: it waits so long to turn out to be short. */
const plainMs = 250
/** After its terminal event or an error a stream has nothing more to say; who does not close it is not waited for. */
const lingerMs = 1_000
/** The end of an unrecorded answer waits for its release, so that the next retry finds the key free; but not for ever. */
const releaseWaitMs = 1_000

export interface RunTerms {
  readonly attempt: Attempt
  readonly caller: Caller
  readonly notice: KeyNotice
  /** Of the request as the effect sees it: by it the answer is judged. */
  readonly path: string
  readonly recordStatus: readonly StatusRange[]
  readonly surroundings: Surroundings
  /** Runs of its call that failed before it. */
  readonly failedBefore: number
  /** Called when nothing more will come of it. */
  readonly ended?: (ending: RunEnding) => void
}

/** Where an answer comes from. */
export interface Source {
  /** Goes on after `data` has answered false. */
  resume(): void
  /** Ends it; the run is told as of a failure. */
  stop(): void
}

/** A whole answer that has not been shown to its caller. */
export interface OwnAnswer {
  readonly head: AnswerHead
  readonly body: Uint8Array
}

/** How the caller of this run is served. */
export type RunResult =
  /** By following the recording. */
  | { kind: 'recording'; head: AnswerHead; follower: Follower }
  /** It has been served. */
  | { kind: 'served' }
  /** The record became somebody else's before the caller got a byte. */
  | { kind: 'lost'; own: OwnAnswer | undefined }

type Phase =
  | { kind: 'waiting' }
  | { kind: 'recording'; head: AnswerHead; outcome: HttpHead; watcher: AnswerWatcher; live: boolean }
  | { kind: 'relaying'; head: AnswerHead; isJudgeable: boolean; relay: Relaying }
  /** The answer says nothing of the outcome, and the policy forbids to show it. */
  | { kind: 'hiding'; head: AnswerHead }
  | { kind: 'over' }
type RecordingPhase = Extract<Phase, { kind: 'recording' }>

/**
 * Takes in one attempt's answer, whoever listens: records it or hands it on, and ends the attempt by the table of ends.
 * It belongs to the attempt, not to the client's connection.
 */
export class Run {
  readonly result: Promise<RunResult>
  readonly #terms: RunTerms
  #tellResult: (result: RunResult) => void = () => {}
  #phase: Phase = { kind: 'waiting' }
  #source: Source = nothing
  #lingering = false
  #isRecorded = false
  #end: AttemptEnd | undefined
  #watcher: AnswerWatcher | undefined

  constructor(terms: RunTerms) {
    this.#terms = terms
    this.result = new Promise(resolve => {
      this.#tellResult = resolve
    })
    terms.attempt.onStop(() => this.#source.stop())
  }

  /** To be called before anything comes. */
  reads(source: Source): void {
    this.#source = source
    if (this.#terms.attempt.isStopped) source.stop()
  }

  /**
   * The answer begins.
   *
   * @param recordable the head of what would be recorded; `undefined`: nobody can judge whether its body is whole
   */
  head(head: AnswerHead, recordable: AnswerHead | undefined): 'recording' | 'handing on' {
    const { attempt, caller, notice, recordStatus } = this.#terms
    if (recordable !== undefined && isIn(recordStatus, head.status)) {
      this.#beginRecording(recordable)
      return 'recording'
    }
    if (attempt.onCrash === 'fail' && isUnanswered(head.status)) {
      this.#phase = { kind: 'hiding', head }
    } else {
      const relay = caller.relay(head, notice, () => this.#source.resume())
      this.#phase = { kind: 'relaying', head, isJudgeable: recordable !== undefined, relay }
      this.#tellResult({ kind: 'served' })
    }
    return 'handing on'
  }

  /** @returns false when the source should wait until it is resumed */
  data(bytes: Uint8Array): boolean {
    const phase = this.#phase
    switch (phase.kind) {
      case 'recording':
        return this.#record(phase, bytes)
      case 'relaying':
        return phase.relay.write(bytes)
      default:
        return true
    }
  }

  /** Comes once: without a failure, the body ended as its framing says. */
  end(failure: Failure | undefined): void {
    const finished = this.#finish(failure).catch(() => {
      // A fault of ours (a head that Node refuses to send, say) ends this call, not the process.
      void this.#terms.attempt.release('broken')
      this.#terms.caller.breakOff()
      this.#tellResult({ kind: 'served' })
    })
    const { ended } = this.#terms
    if (ended === undefined) return
    void finished.then(() => ended({ recorded: this.#isRecorded, end: this.#end, report: this.#watcher?.report }))
  }

  #beginRecording(head: AnswerHead): void {
    const { attempt, path, surroundings } = this.#terms
    const outcome: HttpHead = { kind: 'http', status: head.status, headers: head.replayable }
    const kind = { path, mediaType: head.mediaType }
    const watcher = selectWatcher(kind)
    const phase: RecordingPhase = { kind: 'recording', head, outcome, watcher, live: false }
    this.#phase = phase
    this.#watcher = watcher
    const { contentLength } = head
    attempt.recording.open(outcome)
    if (contentLength === undefined ? isStream(kind) : contentLength > plainBytes) this.#goLive(phase)
    else if (contentLength === undefined) {
      surroundings.timers.after(plainMs, () => this.#phase === phase && this.#goLive(phase))
    }
  }

  #goLive(phase: RecordingPhase): void {
    if (phase.live) return
    phase.live = true
    const { recording } = this.#terms.attempt
    const follower = followRecording(recording, phase.outcome, true)
    recording.goLive()
    recording.hold(phase.watcher.heldFromBytes ?? Number.POSITIVE_INFINITY)
    this.#tellResult({ kind: 'recording', head: phase.head, follower })
  }

  #record(phase: RecordingPhase, bytes: Uint8Array): boolean {
    const { recording } = this.#terms.attempt
    const { head, watcher } = phase
    const beforeBytes = recording.tail.lengthBytes
    watcher.write(bytes)
    if (beforeBytes + bytes.byteLength > plainBytes) this.#goLive(phase)
    if (watcher.isOver) this.#linger()
    if (phase.live) {
      const isLast = head.contentLength !== undefined && beforeBytes + bytes.byteLength >= head.contentLength
      recording.hold(
        Math.min(watcher.heldFromBytes ?? Number.POSITIVE_INFINITY, isLast ? beforeBytes : Number.POSITIVE_INFINITY),
      )
    }
    const hasRoom = recording.write(bytes)
    if (!hasRoom) recording.whenRoom(() => this.#source.resume())
    return hasRoom
  }

  #linger(): void {
    if (this.#lingering) return
    this.#lingering = true
    this.#terms.surroundings.timers.after(lingerMs, () => {
      if (this.#phase.kind === 'recording') this.#source.stop()
    })
  }

  /** The upstream is done, one way or the other. */
  async #finish(failure: Failure | undefined): Promise<void> {
    const phase = this.#phase
    const { attempt, recordStatus } = this.#terms
    this.#phase = { kind: 'over' }
    switch (phase.kind) {
      case 'waiting':
        return this.#finishWithoutAnswer(failure ?? noAnswer)
      case 'recording':
        return this.#finishRecording(phase, failure)
      case 'relaying':
        await this.#release(
          failure === undefined ? endOfWhole(phase, recordStatus) : endInPart(failure, attempt.isCancelled),
          phase.head,
        )
        return failure === undefined ? phase.relay.end() : phase.relay.cut()
      case 'hiding':
        await this.#release('broken', phase.head)
        return this.#refuse(outcomeUnknown(`the answer was ${phase.head.status}`))
      case 'over':
        return
    }
  }

  async #finishWithoutAnswer(failure: Failure): Promise<void> {
    const { attempt } = this.#terms
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost', own: undefined })
    await this.#release(failure.end)
    this.#serveFailure(failure)
  }

  async #finishCancelled(): Promise<void> {
    await this.#release('cancelled')
    this.#refuse({ code: 'UPSTREAM_UNREACHABLE', detail: 'The call was cancelled.' })
  }

  async #finishRecording(phase: RecordingPhase, failure: Failure | undefined): Promise<void> {
    const { attempt } = this.#terms
    const own = phase.live ? undefined : { head: phase.head, body: attempt.recording.tail.whole() }
    const verdict = phase.watcher.end(failure === undefined)
    if (verdict.kind === 'complete') {
      if ((await attempt.complete()) === 'lost') return this.#tellResult({ kind: 'lost', own })
      this.#isRecorded = true
      // A live answer's caller reads the recording already.
      return own === undefined ? undefined : this.#serveWhole(own)
    }
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost', own: undefined })
    if (verdict.kind === 'error') await this.#release('failed', phase.head, true)
    else await this.#release(endInPart(failure, false), phase.head)
    if (own !== undefined) this.#servePlain(own, verdict, failure)
  }

  /** The caller has not had a byte yet: it gets what the upstream said, if that came whole and may be shown. */
  #servePlain(own: OwnAnswer, verdict: Verdict, failure: Failure | undefined): void {
    const { onCrash } = this.#terms.attempt
    if (failure !== undefined) return this.#serveFailure(failure)
    const unknown = verdict.kind === 'incomplete' && onCrash === 'fail'
    return unknown ? this.#refuse(outcomeUnknown(verdict.reason)) : this.#serveWhole(own)
  }

  #serveWhole({ head, body }: OwnAnswer): void {
    this.#terms.caller.whole(head, body, this.#terms.notice)
    this.#tellResult({ kind: 'served' })
  }

  async #release(end: AttemptEnd, head?: AnswerHead, whole = false): Promise<void> {
    const { attempt, surroundings } = this.#terms
    this.#end = end
    const asked = head === undefined ? undefined : parseRetryAfter(head.retryAfter, surroundings.clock.wallMs())
    const rest =
      end === 'free' || end === 'cancelled' ? 0 : cooldownMs(asked, surroundings.random, this.#terms.failedBefore)
    await within(attempt.release(end, { cooldownMs: rest, whole }), surroundings.timers, releaseWaitMs)
  }

  #serveFailure(failure: Failure): void {
    const { attempt, caller, notice } = this.#terms
    caller.failed(failure, failure.problem(attempt.onCrash), notice)
    this.#tellResult({ kind: 'served' })
  }

  #refuse(problem: Problem): void {
    this.#terms.caller.problem(problem, this.#terms.notice)
    this.#tellResult({ kind: 'served' })
  }
}

const nothing: Source = { resume: () => {}, stop: () => {} }

const noAnswer: Failure = {
  end: 'broken',
  problem: () => ({ code: 'UPSTREAM_UNREACHABLE', detail: 'It ended without an answer.' }),
}
