import { Relay } from 'retrysafe/internal/adapters/node/relay'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import type { Timer } from 'retrysafe/internal/engine/clock'
import { isStream } from 'retrysafe/internal/providers/select'
import { isDecodable } from 'retrysafe/internal/server/content-decoder'
import type { Run } from 'retrysafe/internal/server/run'
import { isIn } from 'retrysafe/internal/server/status-range'
import type { UpstreamHead } from '../answer-head.ts'
import { AnswerIntake, type AnswerSink } from '../answer-intake.ts'
import { graceOf } from '../grace.ts'
import { problemOfFailure } from '../refusal.ts'
import type { UpstreamFailure } from '../upstream.ts'
import { HandedAnswer } from './handed-answer.ts'
import { KeptAnswer, maxKeptBytes } from './kept-answer.ts'
import type { PairableCall } from './pairable-call.ts'
import type { Pairing } from './pairing.ts'
import type { Stay } from './stays.ts'

type Phase =
  | { kind: 'waiting' }
  /** `kept`: what a retry could be given, should the client leave now; `undefined`: nothing. */
  | { kind: 'relaying'; head: UpstreamHead; relay: Relay; kept: KeptAnswer | undefined; isWhole: boolean }
  /** Its client has left; nobody records it yet. */
  | LeavingPhase
  | { kind: 'handed'; answer: HandedAnswer }
  | { kind: 'over' }

type RelayingPhase = Extract<Phase, { kind: 'relaying' }>

interface LeavingPhase {
  readonly kind: 'leaving'
  head: UpstreamHead | undefined
  readonly kept: KeptAnswer | undefined
  readonly pieces: Buffer[]
  end: { readonly failure: UpstreamFailure | undefined } | undefined
}

/**
 * One attempt on its way through, untouched, for as long as its client stays. If that leaves before its answer was
 * written, the attempt goes on for whoever records it.
 */
export class AttendedCall implements AnswerSink, Stay {
  readonly intake: AnswerIntake = new AnswerIntake(this)
  readonly #call: PairableCall
  readonly #pairing: Pairing
  readonly #leave: () => void
  readonly #done: () => void
  #phase: Phase = { kind: 'waiting' }
  #patience: Timer | undefined
  #holdsPlace = false
  #hasLeft = false
  #isSettled = false

  /**
   * @param leave called when its client has left and the rest may be recorded
   * @param done called when nothing is to be done any more
   */
  constructor(call: PairableCall, pairing: Pairing, leave: () => void, done: () => void) {
    this.#call = call
    this.#pairing = pairing
    this.#leave = leave
    this.#done = done
    pairing.stays.add(call.place(), this)
    call.routed.response.once('close', () => this.#closed())
  }

  get abandonedAtMs(): number {
    return this.#phase.kind === 'waiting' ? this.#call.abandonedAtMs : Number.POSITIVE_INFINITY
  }

  get isLeaving(): boolean {
    return this.#hasLeft && !this.#isSettled
  }

  pairKey(): Promise<string> {
    return this.#call.pairKey()
  }

  abandon(): void {
    if (this.#phase.kind !== 'waiting') return
    this.#left(this.#phase)
    this.#call.routed.response.destroy()
  }

  head(head: UpstreamHead): 'as it is' {
    if (this.#phase.kind === 'leaving') this.#phase.head = head
    if (this.#phase.kind === 'handed') this.#phase.answer.head(head)
    if (this.#phase.kind !== 'waiting') return 'as it is'
    const { response } = this.#call.routed
    const relay = new Relay(response, head, undefined, () => this.intake.resume())
    const phase: Phase = { kind: 'relaying', head, relay, kept: this.#keeping(head), isWhole: false }
    this.#phase = phase
    // A retry of what has begun as a stream is another call; until its head is out it has not begun.
    if (this.#isStream(head)) setImmediate(() => this.#keepNothing(phase))
    return 'as it is'
  }

  data(bytes: Buffer): boolean {
    const phase = this.#phase
    switch (phase.kind) {
      case 'relaying':
        if (this.#isStream(phase.head)) this.#keepNothing(phase)
        else phase.kept?.add(bytes)
        return phase.relay.write(bytes)
      case 'leaving':
        // The upstream waits until somebody records it.
        phase.pieces.push(bytes)
        return false
      case 'handed':
        return phase.answer.data(bytes)
      case 'waiting':
      case 'over':
        return true
    }
  }

  end(failure: UpstreamFailure | undefined): void {
    const phase = this.#phase
    switch (phase.kind) {
      case 'waiting':
        this.#finish()
        if (failure === undefined) return
        return sendProblem(this.#call.routed.response, problemOfFailure(failure, 'rerun'))
      case 'relaying':
        if (failure === undefined) {
          phase.isWhole = true
          return phase.relay.end()
        }
        this.#finish()
        return phase.relay.cut()
      case 'leaving':
        phase.end = { failure }
        return
      case 'handed':
        phase.answer.end(failure)
        return this.#finish()
      case 'over':
        return this.#patience?.cancel()
    }
  }

  /** The rest goes to this run. @returns whether a retry could have it: not what says itself that it failed */
  handOver(run: Run): boolean {
    const phase = this.#phase
    if (phase.kind !== 'leaving') return false
    const answer = new HandedAnswer(run, this.#call.routed.route.upstream, this.intake)
    this.#phase = { kind: 'handed', answer }
    const isOffered = (phase.head === undefined || this.#isRecordable(phase.head)) && phase.end?.failure === undefined
    if (phase.head !== undefined) answer.head(phase.head)
    for (const piece of phase.pieces) answer.data(piece)
    phase.kept?.drop()
    if (phase.end === undefined) this.intake.resume()
    else this.end(phase.end.failure)
    return isOffered
  }

  /** It is offered, or nobody can be offered anything. */
  settled(): void {
    this.#isSettled = true
    this.#pairing.stays.remove(this.#call.place(), this)
  }

  /** Nobody records it: it ends where it stands. */
  giveUp(): void {
    if (this.#phase.kind !== 'leaving') return
    this.#phase.kept?.drop()
    this.#goOnUnrecorded()
  }

  /** Nobody can find it: it goes on only where that was asked for, and what it says goes nowhere. */
  #goOnUnrecorded(): void {
    const { onDisconnect } = this.#call.routed.rules
    const grace = onDisconnect === 'auto' ? 0 : onDisconnect
    const phase = this.#phase
    const isWhole =
      (phase.kind === 'relaying' && phase.isWhole) || (phase.kind === 'leaving' && phase.end !== undefined)
    this.#finish()
    if (isWhole) return
    if (grace === 0) this.intake.stop()
    else this.intake.resume()
    if (typeof grace !== 'number' || grace === 0) return
    this.#patience = this.#pairing.surroundings.timers.after(grace, () => this.intake.stop())
  }

  #finish(): void {
    if (this.#phase.kind === 'relaying') this.#phase.kept?.drop()
    const isHanded = this.#phase.kind === 'handed'
    this.#phase = { kind: 'over' }
    // A retry waits for the offer also where the answer has come whole by then.
    if (!isHanded) this.settled()
    if (this.#holdsPlace) this.#pairing.left.give(1)
    this.#holdsPlace = false
    this.#done()
  }

  #closed(): void {
    const phase = this.#phase
    if (phase.kind !== 'waiting' && phase.kind !== 'relaying') return
    if (this.#call.routed.response.writableFinished) return this.#finish()
    this.#left(phase)
  }

  #left(phase: RelayingPhase | { kind: 'waiting' }): void {
    this.#hasLeft = true
    const kept = phase.kind === 'relaying' ? phase.kept : undefined
    const pieces = phase.kind === 'relaying' ? kept?.pieces : []
    const { onDisconnect } = this.#call.routed.rules
    const isWanted = graceOf(onDisconnect, { kind: 'paired', isHeadOut: pieces === undefined }) !== 0
    if (!isWanted || pieces === undefined) return this.#goOnUnrecorded()
    this.#holdsPlace = this.#pairing.left.take(1)
    if (!this.#holdsPlace) {
      this.#pairing.crowded.met()
      return this.#goOnUnrecorded()
    }
    const head = phase.kind === 'relaying' ? phase.head : undefined
    const end = phase.kind === 'relaying' && phase.isWhole ? { failure: undefined } : undefined
    this.#phase = { kind: 'leaving', head, kept, pieces: [...pieces], end }
    this.#leave()
  }

  #keeping(head: UpstreamHead): KeptAnswer | undefined {
    const isSmall = (head.contentLength ?? 0) <= maxKeptBytes
    return isSmall && this.#isRecordable(head) ? new KeptAnswer(this.#pairing.answers) : undefined
  }

  #keepNothing(phase: RelayingPhase): void {
    phase.kept?.drop()
    phase.kept = undefined
  }

  #isRecordable({ status, endsByClose, contentEncoding }: UpstreamHead): boolean {
    const isReadable = !endsByClose && (contentEncoding === undefined || isDecodable(contentEncoding))
    return isReadable && isIn(this.#call.routed.rules.recordStatus, status)
  }

  /** Of what has a length, the client waits for the whole. */
  #isStream({ contentLength, mediaType }: UpstreamHead): boolean {
    const { upstream, path } = this.#call.routed.route
    return contentLength === undefined && isStream({ path: upstream.basePath + path, mediaType })
  }
}
