import type { Attempt } from '../../packages/retrysafe/src/engine/attempt.ts'
import { type Surroundings, within } from '../../packages/retrysafe/src/engine/clock.ts'
import type { Follower } from '../../packages/retrysafe/src/engine/follower.ts'
import type { HttpHead } from '../../packages/retrysafe/src/engine/outcome.ts'
import type { AttemptEnd } from '../../packages/retrysafe/src/engine/record.ts'
import type { Client } from './client.ts'
import type { Code } from './code.ts'
import type { UpstreamFailure, UpstreamHead, UpstreamSink } from './upstream.ts'

/** As in the gateway: an answer without a length waits so long to turn out to be short. */
const plainMs = 250
const releaseWaitMs = 1_000

export interface RunTerms {
  readonly attempt: Attempt
  readonly client: Client
  readonly surroundings: Surroundings
  readonly code: Code
  /** A complete answer has come that is a failure. */
  readonly reported: () => void
  /** Notes that a token is being sealed from now on. */
  readonly sealing: (fence: number) => void
  /** Whether its outcome may be shown although the store has not acknowledged it. */
  readonly mayShow: (fence: number) => boolean
}

export type RunResult =
  | { kind: 'recording'; follower: Follower }
  | { kind: 'served' }
  | { kind: 'lost'; own: { status: number; body: Uint8Array } | undefined }

type Phase =
  | { kind: 'waiting' }
  | { kind: 'recording'; head: UpstreamHead; outcome: HttpHead; live: boolean; whole: boolean }
  | { kind: 'relaying'; head: UpstreamHead }
  | { kind: 'hiding'; head: UpstreamHead }
  | { kind: 'over' }
type RecordingPhase = Extract<Phase, { kind: 'recording' }>

/**
 * Takes in one attempt's answer as the gateway's `proxy/run.ts` does, without HTTP: records it or hands it on, and
 * ends the attempt by the table of ends.
 */
export class Run implements UpstreamSink {
  readonly result: Promise<RunResult>
  /** Set once the call was sent. */
  stop: () => void = () => {}
  /** The stream ends with the provider's own error. */
  saysError = false
  readonly #terms: RunTerms
  #tellResult: (result: RunResult) => void = () => {}
  #phase: Phase = { kind: 'waiting' }

  constructor(terms: RunTerms) {
    this.#terms = terms
    this.result = new Promise(resolve => {
      this.#tellResult = resolve
    })
    terms.attempt.onStop(() => this.stop())
  }

  head(head: UpstreamHead): void {
    const { attempt, client } = this.#terms
    if (head.status >= 200 && head.status < 300) return this.#beginRecording(head)
    if (attempt.onCrash === 'fail' && (head.status === 502 || head.status === 504)) {
      this.#phase = { kind: 'hiding', head }
      return
    }
    this.#phase = { kind: 'relaying', head }
    client.begin(head.status, 'own')
    this.#tellResult({ kind: 'served' })
  }

  data(bytes: Uint8Array, isLast: boolean): void {
    const phase = this.#phase
    if (phase.kind === 'relaying') return this.#terms.client.bytes(bytes)
    if (phase.kind !== 'recording') return
    const { recording } = this.#terms.attempt
    phase.whole = isLast
    if (phase.live && isLast) recording.hold(recording.tail.lengthBytes)
    recording.write(bytes)
  }

  end(failure: UpstreamFailure | undefined): void {
    void this.#finish(failure)
  }

  #beginRecording(head: UpstreamHead): void {
    const { attempt, surroundings } = this.#terms
    const outcome: HttpHead = { kind: 'http', status: head.status, headers: ['content-type', 'text/plain'] }
    const phase: RecordingPhase = { kind: 'recording', head, outcome, live: false, whole: false }
    this.#phase = phase
    attempt.recording.open(outcome)
    if (head.isStream) this.#goLive(phase)
    else if (head.lengthBytes === undefined) {
      surroundings.timers.after(plainMs, () => {
        if (this.#phase === phase) this.#goLive(phase)
      })
    }
  }

  #goLive(phase: RecordingPhase): void {
    if (phase.live) return
    phase.live = true
    const { code, attempt } = this.#terms
    const follower = code.followRecording(attempt.recording, phase.outcome, true)
    attempt.recording.goLive()
    this.#tellResult({ kind: 'recording', follower })
  }

  async #finish(failure: UpstreamFailure | undefined): Promise<void> {
    const phase = this.#phase
    const { client } = this.#terms
    this.#phase = { kind: 'over' }
    switch (phase.kind) {
      case 'waiting':
        return this.#finishWithoutAnswer(failure ?? 'cut')
      case 'recording':
        return this.#finishRecording(phase, failure)
      case 'relaying':
        if (failure === undefined && endOf(phase.head.status) !== 'broken') this.#terms.reported()
        await this.#release(failure === undefined ? endOf(phase.head.status) : 'broken', phase.head)
        return failure === undefined ? client.end() : client.breakOff()
      case 'hiding':
        await this.#release('broken', phase.head)
        return this.#refuse('OUTCOME_UNKNOWN')
      case 'over':
        return
    }
  }

  async #finishWithoutAnswer(failure: UpstreamFailure): Promise<void> {
    const { attempt } = this.#terms
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost', own: undefined })
    if (failure === 'unreachable') this.#terms.reported()
    await this.#release(failure === 'unreachable' ? 'free' : 'broken')
    this.#refuse(attempt.onCrash === 'fail' && failure !== 'unreachable' ? 'OUTCOME_UNKNOWN' : 'UPSTREAM_UNREACHABLE')
  }

  async #finishCancelled(): Promise<void> {
    await this.#release('cancelled')
    this.#refuse('UPSTREAM_UNREACHABLE')
  }

  async #finishRecording(phase: RecordingPhase, failure: UpstreamFailure | undefined): Promise<void> {
    const { attempt, client, sealing, mayShow } = this.#terms
    const own = phase.live ? undefined : { status: phase.head.status, body: attempt.recording.tail.whole() }
    const isWhole = failure === undefined || phase.whole
    if (isWhole && !this.saysError) {
      sealing(attempt.token.fence)
      if ((await attempt.complete()) === 'lost') return this.#tellResult({ kind: 'lost', own })
      if (own === undefined) return
      return this.#serveWhole(client, own, mayShow(attempt.token.fence))
    }
    if (attempt.isCancelled) return this.#finishCancelled()
    if (attempt.isStopped) return this.#tellResult({ kind: 'lost', own: undefined })
    if (isWhole) this.#terms.reported()
    if (isWhole) await this.#release('failed', phase.head, true)
    else await this.#release('broken', phase.head)
    if (own === undefined) return
    if (failure === undefined) return this.#serveWhole(client, own, true)
    this.#refuse(attempt.onCrash === 'fail' ? 'OUTCOME_UNKNOWN' : 'UPSTREAM_UNREACHABLE')
  }

  #serveWhole(client: Client, { status, body }: { status: number; body: Uint8Array }, isEarly: boolean): void {
    client.begin(status, 'own')
    client.bytes(body)
    client.end(isEarly)
    this.#tellResult({ kind: 'served' })
  }

  async #release(end: AttemptEnd, head?: UpstreamHead, whole = false): Promise<void> {
    const { attempt, surroundings, code } = this.#terms
    const rest = end === 'free' || end === 'cancelled' ? 0 : code.cooldownMs(head?.retryAfterMs, surroundings.random)
    await within(attempt.release(end, { cooldownMs: rest, whole }), surroundings.timers, releaseWaitMs)
  }

  #refuse(code: string): void {
    this.#terms.client.refuse(code)
    this.#tellResult({ kind: 'served' })
  }
}

function endOf(status: number): AttemptEnd {
  if (status === 502 || status === 504) return 'broken'
  const worthRetrying = status === 408 || status === 409 || status === 425 || status === 429
  return status >= 400 && status < 500 && !worthRetrying ? 'free' : 'failed'
}
