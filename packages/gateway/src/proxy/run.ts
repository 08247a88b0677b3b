import type { ServerResponse } from 'node:http'
import type { Attempt } from 'retrysafe/internal/engine/attempt'
import { type Surroundings, within } from 'retrysafe/internal/engine/clock'
import { cooldownMs } from 'retrysafe/internal/engine/cooldown'
import { type Follower, followRecording } from 'retrysafe/internal/engine/follower'
import type { HttpHead } from 'retrysafe/internal/engine/outcome'
import type { AttemptEnd } from 'retrysafe/internal/engine/record'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import { parseRetryAfter } from 'retrysafe/internal/protocol/seconds'
import { type AnswerWatcher, isStream, selectWatcher, type Verdict } from 'retrysafe/providers'
import type { StatusRange } from '../config/config.ts'
import { type AnswerHead, decodedHead } from './answer-head.ts'
import { AnswerIntake, type AnswerSink } from './answer-intake.ts'
import { breakOff, type KeyNotice, sendProblem, sendWhole } from './caller-response.ts'
import { isDecodable } from './content-decoder.ts'
import { outcomeUnknown, problemOfFailure } from './refusal.ts'
import { Relay } from './relay.ts'
import type { UpstreamFailure } from './upstream.ts'

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
  readonly response: ServerResponse
  readonly notice: KeyNotice
  readonly path: string
  readonly recordStatus: readonly StatusRange[]
  readonly surroundings: Surroundings
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
  | { kind: 'relaying'; head: AnswerHead; relay: Relay }
  /** The answer says nothing of the outcome, and the policy forbids to show it. */
  | { kind: 'hiding'; head: AnswerHead }
  | { kind: 'over' }
type RecordingPhase = Extract<Phase, { kind: 'recording' }>

/**
 * Takes in one attempt's answer, whoever listens: records it or hands it on, and ends the attempt by the table of ends.
 * It belongs to the attempt, not to the client's connection.
 */
export class Run implements AnswerSink {
  readonly result: Promise<RunResult>
  readonly intake: AnswerIntake = new AnswerIntake(this)
  readonly #terms: RunTerms
  #tellResult: (result: RunResult) => void = () => {}
  #phase: Phase = { kind: 'waiting' }
  #lingering = false

  constructor(terms: RunTerms) {
    this.#terms = terms
    this.result = new Promise(resolve => {
      this.#tellResult = resolve
    })
    terms.attempt.onStop(() => this.intake.stop())
  }

  head(head: AnswerHead): 'decode' | 'as it is' {
    const { attempt, response, notice, recordStatus } = this.#terms
    if (isJudgeable(head) && isIn(recordStatus, head.status)) {
      const encoded = head.contentEncoding !== undefined
      this.#beginRecording(encoded ? decodedHead(head) : head)
      return encoded ? 'decode' : 'as it is'
    }
    if (attempt.onCrash === 'fail' && (head.status === 502 || head.status === 504)) {
      this.#phase = { kind: 'hiding', head }
    } else {
      this.#phase = { kind: 'relaying', head, relay: new Relay(response, head, notice, () => this.intake.resume()) }
      this.#tellResult({ kind: 'served' })
    }
    return 'as it is'
  }

  data(bytes: Buffer): boolean {
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

  end(failure: UpstreamFailure | undefined): void {
    this.#finish(failure).catch(() => {
      // A fault of ours (a head that Node refuses to send, say) ends this call, not the process.
      void this.#terms.attempt.release('broken')
      breakOff(this.#terms.response)
      this.#tellResult({ kind: 'served' })
    })
  }

  #beginRecording(head: AnswerHead): void {
    const { attempt, path, surroundings } = this.#terms
    const outcome: HttpHead = { kind: 'http', status: head.status, headers: head.replayable }
    const kind = { path, mediaType: head.mediaType }
    const phase: RecordingPhase = { kind: 'recording', head, outcome, watcher: selectWatcher(kind), live: false }
    this.#phase = phase
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

  #record(phase: RecordingPhase, bytes: Buffer): boolean {
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
    if (!hasRoom) recording.whenRoom(() => this.intake.resume())
    return hasRoom
  }

  #linger(): void {
    if (this.#lingering) return
    this.#lingering = true
    this.#terms.surroundings.timers.after(lingerMs, () => {
      if (this.#phase.kind === 'recording') this.intake.stop()
    })
  }

  /** The upstream is done, one way or the other. */
  async #finish(failure: UpstreamFailure | undefined): Promise<void> {
    const phase = this.#phase
    this.#phase = { kind: 'over' }
    switch (phase.kind) {
      case 'waiting':
        return this.#finishWithoutAnswer(failure ?? { kind: 'cut', reason: 'no answer' })
      case 'recording':
        return this.#finishRecording(phase, failure)
      case 'relaying':
        await this.#release(failure === undefined ? endOf(phase.head, this.#terms.recordStatus) : 'broken', phase.head)
        return failure === undefined ? phase.relay.end() : phase.relay.cut()
      case 'hiding':
        await this.#release('broken', phase.head)
        return this.#refuse(outcomeUnknown(`the upstream answered ${phase.head.status}`))
      case 'over':
        return
    }
  }

  async #finishWithoutAnswer(failure: UpstreamFailure): Promise<void> {
    const { attempt } = this.#terms
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost', own: undefined })
    await this.#release(failure.kind === 'unreachable' ? 'free' : 'broken')
    this.#refuse(problemOfFailure(failure, attempt.onCrash))
  }

  async #finishCancelled(): Promise<void> {
    await this.#release('cancelled')
    this.#refuse({ code: 'UPSTREAM_UNREACHABLE', detail: 'The call was cancelled by the operator.' })
  }

  async #finishRecording(phase: RecordingPhase, failure: UpstreamFailure | undefined): Promise<void> {
    const { attempt } = this.#terms
    const own = phase.live ? undefined : { head: phase.head, body: attempt.recording.tail.whole() }
    const verdict = phase.watcher.end(failure === undefined)
    if (verdict.kind === 'complete') {
      if ((await attempt.complete()) === 'lost') return this.#tellResult({ kind: 'lost', own })
      // A live answer's caller reads the recording already.
      return own === undefined ? undefined : this.#serveWhole(own)
    }
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost', own: undefined })
    if (verdict.kind === 'error') await this.#release('failed', phase.head, true)
    else await this.#release('broken', phase.head)
    if (own !== undefined) this.#servePlain(own, verdict, failure)
  }

  /** The caller has not had a byte yet: it gets what the upstream said, if that came whole and may be shown. */
  #servePlain(own: OwnAnswer, verdict: Verdict, failure: UpstreamFailure | undefined): void {
    const { onCrash } = this.#terms.attempt
    if (failure !== undefined) return this.#refuse(problemOfFailure(failure, onCrash))
    const unknown = verdict.kind === 'incomplete' && onCrash === 'fail'
    return unknown ? this.#refuse(outcomeUnknown(verdict.reason)) : this.#serveWhole(own)
  }

  #serveWhole({ head, body }: OwnAnswer): void {
    sendWhole(this.#terms.response, head, body, this.#terms.notice)
    this.#tellResult({ kind: 'served' })
  }

  async #release(end: AttemptEnd, head?: AnswerHead, whole = false): Promise<void> {
    const { attempt, surroundings } = this.#terms
    const asked = head === undefined ? undefined : parseRetryAfter(head.retryAfter, surroundings.clock.wallMs())
    const rest = end === 'free' || end === 'cancelled' ? 0 : cooldownMs(asked, surroundings.random)
    await within(attempt.release(end, { cooldownMs: rest, whole }), surroundings.timers, releaseWaitMs)
  }

  #refuse(problem: Problem): void {
    sendProblem(this.#terms.response, problem, this.#terms.notice)
    this.#tellResult({ kind: 'served' })
  }
}

function isIn(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(range => status >= range.from && status <= range.to)
}

/** Whether somebody here can tell that its body is whole: not if it ends with its connection, or in an unknown coding. */
function isJudgeable({ endsByClose, contentEncoding }: AnswerHead): boolean {
  return !endsByClose && (contentEncoding === undefined || isDecodable(contentEncoding))
}

/** The table of ends, for whole answers that are not recorded. A success that nobody can read is no reported failure. */
function endOf(head: AnswerHead, recordStatus: readonly StatusRange[]): AttemptEnd {
  const { status, endsByClose } = head
  if (endsByClose || status === 502 || status === 504) return 'broken'
  if (isIn(recordStatus, status) && !isJudgeable(head)) return 'broken'
  const worthRetrying = status === 408 || status === 409 || status === 425 || status === 429
  return status >= 400 && status < 500 && !worthRetrying ? 'free' : 'failed'
}
