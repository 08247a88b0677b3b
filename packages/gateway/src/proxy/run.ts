import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Attempt } from 'retrysafe/internal/engine/attempt'
import { pause, type Surroundings } from 'retrysafe/internal/engine/clock'
import { cooldownMs } from 'retrysafe/internal/engine/cooldown'
import { type Follower, followRecording } from 'retrysafe/internal/engine/follower'
import type { OutcomeHead } from 'retrysafe/internal/engine/outcome'
import type { AttemptEnd } from 'retrysafe/internal/engine/record'
import type { Problem } from 'retrysafe/internal/protocol/problem'
import { parseRetryAfter } from 'retrysafe/internal/protocol/seconds'
import { type AnswerWatcher, selectWatcher, type Verdict } from 'retrysafe/providers'
import type { Dispatcher } from 'undici'
import type { StatusRange } from '../config/config.ts'
import { type AnswerHead, readAnswerHead } from './answer-head.ts'
import { type KeyNotice, sendProblem, sendWhole } from './caller-response.ts'
import { Relay } from './relay.ts'
import { failureOf, type UpstreamFailure } from './upstream.ts'

/** A plain answer up to this length waits whole until it is recorded; a longer one is delivered as it comes. */
const plainBytes = 262_144
/** After its terminal event a stream has nothing more to say; who does not close it is not waited for. */
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

/** How the caller of this run is served. */
export type RunResult =
  /** By following the recording. */
  | { kind: 'recording'; head: AnswerHead; follower: Follower }
  /** It has been served. */
  | { kind: 'served' }
  /** Another attempt has taken over before the caller got a byte: join that. */
  | { kind: 'lost' }

type Phase =
  | { kind: 'waiting' }
  | { kind: 'recording'; head: AnswerHead; watcher: AnswerWatcher; live: boolean }
  | { kind: 'relaying'; head: AnswerHead; relay: Relay }
  /** The answer says nothing of the outcome, and the policy forbids to show it. */
  | { kind: 'hiding'; head: AnswerHead }
  | { kind: 'over' }

/**
 * Takes in one attempt's answer, whoever listens: records it or hands it on, and ends the attempt by the table of ends.
 * It belongs to the attempt, not to the client's connection.
 */
export class Run implements Dispatcher.DispatchHandler {
  readonly result: Promise<RunResult>
  readonly #terms: RunTerms
  #tellResult: (result: RunResult) => void = () => {}
  #controller: Dispatcher.DispatchController | undefined
  #phase: Phase = { kind: 'waiting' }
  #lingering = false

  constructor(terms: RunTerms) {
    this.#terms = terms
    this.result = new Promise(resolve => {
      this.#tellResult = resolve
    })
    terms.attempt.onStop(() => this.#controller?.abort(new Error('the attempt was stopped')))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#terms.attempt.isStopped) controller.abort(new Error('the attempt was stopped'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, parsed: IncomingHttpHeaders): void {
    if (status < 200) return
    const head = readAnswerHead(status, controller.rawHeaders, parsed)
    const { attempt, response, notice, path } = this.#terms
    if (this.#isRecordable(head)) {
      const live = head.contentLength === undefined || head.contentLength > plainBytes
      const watched = head.contentEncoding === undefined || head.contentEncoding === 'identity'
      const watcher = selectWatcher({ path, mediaType: watched ? head.mediaType : '' })
      this.#phase = { kind: 'recording', head, watcher, live }
      const outcomeHead: OutcomeHead = { kind: 'http', status, headers: head.replayable, kept: true }
      attempt.recording.open(outcomeHead, live)
      if (!live) return
      const follower = followRecording(attempt.recording, outcomeHead, true)
      this.#tellResult({ kind: 'recording', head, follower })
    } else if (attempt.onCrash === 'fail' && (status === 502 || status === 504)) {
      this.#phase = { kind: 'hiding', head }
    } else {
      this.#phase = { kind: 'relaying', head, relay: new Relay(response, head, notice, () => controller.resume()) }
      this.#tellResult({ kind: 'served' })
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const phase = this.#phase
    switch (phase.kind) {
      case 'recording':
        if (!this.#record(phase, chunk)) controller.pause()
        return
      case 'relaying':
        if (!phase.relay.write(chunk)) controller.pause()
        return
      default:
        return
    }
  }

  onResponseEnd(): void {
    void this.#finish(undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    void this.#finish(failureOf(error, this.#controller !== undefined))
  }

  #isRecordable(head: AnswerHead): boolean {
    // Whether a body that ends with its connection is whole, nobody can tell.
    if (head.endsByClose) return false
    return this.#terms.recordStatus.some(range => head.status >= range.from && head.status <= range.to)
  }

  #record(phase: Extract<Phase, { kind: 'recording' }>, chunk: Buffer): boolean {
    const { recording } = this.#terms.attempt
    const { head, watcher } = phase
    const beforeBytes = recording.tail.lengthBytes
    watcher.write(chunk)
    if (watcher.terminalAtBytes !== undefined) {
      recording.hold(watcher.terminalAtBytes)
      this.#linger()
    } else if (phase.live && head.contentLength !== undefined && beforeBytes + chunk.byteLength >= head.contentLength) {
      recording.hold(beforeBytes)
    }
    const hasRoom = recording.write(chunk)
    if (!hasRoom) recording.whenRoom(() => this.#controller?.resume())
    return hasRoom
  }

  #linger(): void {
    if (this.#lingering) return
    this.#lingering = true
    void pause(this.#terms.surroundings.timers, lingerMs).then(() => {
      if (this.#phase.kind === 'recording') this.#controller?.abort(new Error('the terminal event is there'))
    })
  }

  /** The upstream is done, one way or the other; comes once. */
  async #finish(failure: UpstreamFailure | undefined): Promise<void> {
    const phase = this.#phase
    this.#phase = { kind: 'over' }
    switch (phase.kind) {
      case 'waiting':
        return this.#finishWithoutAnswer(failure ?? { kind: 'cut', reason: 'no answer' })
      case 'recording':
        return this.#finishRecording(phase, failure)
      case 'relaying':
        return this.#finishRelay(phase, failure)
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
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost' })
    await this.#release(failure.kind === 'unreachable' ? 'free' : 'broken')
    this.#refuse(this.#problemOf(failure))
  }

  async #finishCancelled(): Promise<void> {
    await this.#release('cancelled')
    this.#refuse({ code: 'UPSTREAM_UNREACHABLE', detail: 'The call was cancelled by the operator.' })
  }

  async #finishRecording(
    phase: Extract<Phase, { kind: 'recording' }>,
    failure: UpstreamFailure | undefined,
  ): Promise<void> {
    const { attempt } = this.#terms
    const verdict = phase.watcher.end(failure === undefined)
    if (verdict.kind === 'complete') {
      const body = phase.live ? undefined : attempt.recording.tail.copyFrom(0)
      if ((await attempt.complete()) === 'lost') return this.#tellResult({ kind: 'lost' })
      // A live answer's caller reads the recording already.
      return body === undefined ? undefined : this.#serveWhole(phase.head, body)
    }
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost' })
    const body = phase.live ? undefined : attempt.recording.tail.copyFrom(0)
    if (verdict.kind === 'error') await this.#release('failed', phase.head, true)
    else await this.#release('broken', phase.head)
    if (body !== undefined) this.#servePlain(phase.head, body, verdict, failure)
  }

  /** The caller has not had a byte yet: it gets what the upstream said, if that came whole and may be shown. */
  #servePlain(head: AnswerHead, body: Uint8Array, verdict: Verdict, failure: UpstreamFailure | undefined): void {
    if (failure !== undefined) return this.#refuse(this.#problemOf(failure))
    const unknown = verdict.kind === 'incomplete' && this.#terms.attempt.onCrash === 'fail'
    return unknown ? this.#refuse(outcomeUnknown(verdict.reason)) : this.#serveWhole(head, body)
  }

  #serveWhole(head: AnswerHead, body: Uint8Array): void {
    sendWhole(this.#terms.response, head, body, this.#terms.notice)
    this.#tellResult({ kind: 'served' })
  }

  async #finishRelay(
    { head, relay }: Extract<Phase, { kind: 'relaying' }>,
    failure: UpstreamFailure | undefined,
  ): Promise<void> {
    if (failure !== undefined) {
      await this.#release('broken', head)
      return relay.cut()
    }
    await this.#release(endOf(head), head)
    relay.end()
  }

  async #release(end: AttemptEnd, head?: AnswerHead, whole = false): Promise<void> {
    const { attempt, surroundings } = this.#terms
    const asked = head === undefined ? undefined : parseRetryAfter(head.retryAfter, surroundings.clock.wallMs())
    const rest = end === 'free' || end === 'cancelled' ? 0 : cooldownMs(asked, surroundings.random)
    const waited = new AbortController()
    await Promise.race([
      attempt.release(end, { cooldownMs: rest, whole }),
      pause(surroundings.timers, releaseWaitMs, waited.signal),
    ])
    waited.abort()
  }

  #refuse(problem: Problem): void {
    sendProblem(this.#terms.response, problem, this.#terms.notice)
    this.#tellResult({ kind: 'served' })
  }

  #problemOf(failure: UpstreamFailure): Problem {
    const unknown = this.#terms.attempt.onCrash === 'fail'
    switch (failure.kind) {
      case 'unreachable':
        return {
          code: 'UPSTREAM_UNREACHABLE',
          detail: `No connection to the upstream (${failure.reason}); nothing was sent.`,
        }
      case 'cut':
        if (unknown) return outcomeUnknown(`the upstream cut the connection (${failure.reason})`)
        return {
          code: 'UPSTREAM_UNREACHABLE',
          detail: `The upstream took the request and cut the connection before a whole answer (${failure.reason}).`,
        }
      case 'silent':
        if (unknown) return outcomeUnknown('the upstream took the request and stayed silent')
        return {
          code: 'UPSTREAM_TIMEOUT',
          detail: 'The upstream took the request and stayed silent (--upstream-timeout).',
        }
    }
  }
}

/** The table of ends, for whole answers that are not recorded. */
function endOf({ status, endsByClose }: AnswerHead): AttemptEnd {
  if (endsByClose || status === 502 || status === 504) return 'broken'
  const worthRetrying = status === 408 || status === 409 || status === 425 || status === 429
  return status >= 400 && status < 500 && !worthRetrying ? 'free' : 'failed'
}

function outcomeUnknown(reason: string): Problem {
  return {
    code: 'OUTCOME_UNKNOWN',
    detail: `It is not known whether the call had its effect: ${reason}. It is not repeated until an operator resolves the record.`,
  }
}
