import type { Report } from 'retrysafe/internal/providers/usage'
import type { Member, OneRun } from './one-run.ts'
import type { CountedAttempt, RetryPairs } from './retry-pairs.ts'

/** How a call would have been known for a duplicate. `identical`: by nothing but what it asks for. */
export type DuplicateKind = 'key' | 'sdkRetry' | 'identical'

/** What is known of a request once its body has gone by. */
export interface CallFacts {
  /** The first characters of the tenant's HMAC. */
  readonly tenant: string
  readonly route: string
  /** As its upstream sees it. */
  readonly path: string
  readonly hasKey: boolean
}

/** How a call went. */
export interface CallEnd {
  readonly succeeded: boolean
  readonly report: Report | undefined
}

/** What a call is compared with. */
export interface Comparison {
  readonly facts: CallFacts
  readonly run: OneRun | undefined
  readonly pairs: RetryPairs | undefined
  readonly count: number
  readonly timeoutMs: number | undefined
}

/** One call that was seen. It counts when it is over and it is known whether it was a duplicate. */
export class ObservedCall implements Member, CountedAttempt {
  result: Member['result'] = 'running'
  readonly beganMs: number
  readonly #nowMs: () => number
  readonly #settled: (call: ObservedCall, facts: CallFacts, kind: DuplicateKind | undefined) => void
  #compared: Comparison | undefined
  #isSettled = false
  #isDuplicateRun: boolean | undefined
  #isDuplicatePair: boolean | undefined
  #isUnanswered = false
  #end: CallEnd | undefined

  /** @param settled called once, if the call is ever compared */
  constructor(
    nowMs: () => number,
    settled: (call: ObservedCall, facts: CallFacts, kind: DuplicateKind | undefined) => void,
  ) {
    this.#nowMs = nowMs
    this.#settled = settled
    this.beganMs = nowMs()
  }

  get count(): number {
    return this.#compared?.count ?? 0
  }

  get timeoutMs(): number | undefined {
    return this.#compared?.timeoutMs
  }

  get report(): Report | undefined {
    return this.#end?.report
  }

  /** Its body has gone by. What happened before is made up for. @returns false: there was no room to compare it */
  compareWith(comparison: Comparison, keptMs: number): boolean {
    this.#compared = comparison
    const { run, pairs } = comparison
    if (pairs === undefined) this.judgePair(false)
    else pairs.enter(this, this.#nowMs())
    if (run === undefined) this.judgeRun(false)
    const hasRoom = run?.enter(this, this.#nowMs(), keptMs) ?? true
    this.#tellResult()
    this.#settle()
    return hasRoom
  }

  judgeRun(isDuplicate: boolean): void {
    this.#isDuplicateRun = isDuplicate
    this.#settle()
  }

  judgePair(isDuplicate: boolean): void {
    this.#isDuplicatePair = isDuplicate
    this.#settle()
  }

  /** Its client is gone. @param isAnswered it had the head of a stream by then */
  left(isAnswered: boolean): void {
    if (this.result !== 'running') return
    this.result = 'left'
    this.#isUnanswered = !isAnswered
    this.#tellResult()
  }

  /** Nothing more will come of it. */
  ended(end: CallEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    if (this.result === 'running') this.result = end.succeeded ? 'succeeded' : 'failed'
    this.#tellResult()
    this.#settle()
  }

  #tellResult(): void {
    if (this.#compared === undefined || this.result === 'running') return
    const { run, pairs } = this.#compared
    if (this.#isUnanswered) pairs?.left(this, this.#nowMs())
    else pairs?.answered(this)
    run?.ended(this, this.#nowMs())
  }

  #settle(): void {
    const { facts } = this.#compared ?? {}
    if (this.#isSettled || facts === undefined || this.#end === undefined) return
    if (this.#isDuplicateRun === undefined || this.#isDuplicatePair === undefined) return
    this.#isSettled = true
    const byRun = this.#isDuplicateRun ? (facts.hasKey ? 'key' : 'identical') : undefined
    this.#settled(this, facts, this.#isDuplicatePair ? 'sdkRetry' : byRun)
  }
}
