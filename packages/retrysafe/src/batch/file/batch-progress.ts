import type { Clock } from '../../engine/clock.ts'
import type { BatchAnswer } from './batch-line.ts'

/** Why a batch has ended before its input was over. */
export type BatchStop = 'limit' | 'max cost' | 'signal' | 'stalled' | 'disk full' | 'refused' | 'error'

/** How far a batch is. Times are in milliseconds, unless they are named otherwise. */
export interface BatchProgress {
  readonly phase: 'reading' | 'running' | 'finishing' | 'ended'
  readonly batchId: string
  readonly input: string
  readonly output: string
  readonly errors: string
  /** Items of the input. */
  readonly total: number
  /** Those that have an answer, what earlier runs have left included. */
  readonly done: number
  readonly failed: number
  /** Of `failed`: may have been paid for, and are not sent again (`OUTCOME_UNKNOWN`). Left out where there is none. */
  readonly unknown?: number
  /** Of `done`: were in the output already. */
  readonly kept: number
  /** Of `done`: came from a record in this run, ours or a gateway's, and were not paid for in it. */
  readonly replayed: number
  readonly inFlight: number
  /** Sends that may be made at once just now. */
  readonly limit: number
  /** How long all are held back from now on. */
  readonly heldMs: number
  /** Why they are; or what the store says while `awaited` items wait for it. */
  readonly trouble?: string
  /** Items that cannot be taken yet: another run has them, or had when it died, or the store is gone. */
  readonly awaited?: number
  /** Items settled, over the last seconds. */
  readonly perSecond: number
  readonly etaMs: number | undefined
  /** Of all answers that the output holds, as far as they say so. */
  readonly inputTokens: number
  readonly outputTokens: number
  /** For all answers that the output holds, as far as prices are known; `null`: none is. */
  readonly usdSpent: number | null
  /** Answers whose price nobody knows: they are not in `usdSpent`. */
  readonly withoutPrice: number
  /** What was kept and replayed in this run would have cost it so much. */
  readonly usdSaved: number | null
  readonly elapsedMs: number
  /** ISO 8601. */
  readonly startedAt: string
  readonly updatedAt: string
  readonly stopped?: BatchStop
}

/** What of the progress does not change. */
export type BatchFacts = Pick<BatchProgress, 'batchId' | 'input' | 'output' | 'errors'>

const windowSeconds = 10

interface Pause {
  readonly untilMs: number
  readonly trouble: string
}

/** Counts what happens to a batch. */
export class ProgressMeter {
  readonly #facts: BatchFacts
  readonly #clock: Clock
  readonly #costOf: ((answer: BatchAnswer) => number | undefined) | undefined
  readonly #startedMs: number
  readonly #startedAt: string
  /** Items settled in each of the last seconds: by the second's number, modulo. */
  readonly #settled: number[] = new Array(windowSeconds + 1).fill(0)
  #second = 0
  #runningMs: number | undefined
  #inputTokens = 0
  #outputTokens = 0
  #usdSpent: number | null = null
  #withoutPrice = 0
  #usdSaved: number | null = null
  #done = 0
  #failed = 0
  #unknown = 0
  #kept = 0
  #replayed = 0
  phase: BatchProgress['phase'] = 'reading'
  total = 0
  inFlight = 0
  limit = 0
  trouble: string | undefined
  /** Items that wait for another run, or for the store, and what that says. */
  awaited: { readonly count: number; readonly trouble: string | undefined } = { count: 0, trouble: undefined }
  stopped: BatchStop | undefined
  #heldUntilMs = 0
  /** Items between two tries, by their keys. */
  readonly #pauses: Map<string, Pause> = new Map()

  constructor(facts: BatchFacts, clock: Clock, costOf: ((answer: BatchAnswer) => number | undefined) | undefined) {
    this.#facts = facts
    this.#clock = clock
    this.#costOf = costOf
    this.#startedMs = clock.monotonicMs()
    this.#startedAt = new Date(clock.wallMs()).toISOString()
  }

  get usdSpent(): number {
    return this.#usdSpent ?? 0
  }

  get settledCount(): number {
    return this.#done - this.#kept + this.#failed
  }

  begin(): void {
    this.phase = 'running'
    this.#runningMs = this.#clock.monotonicMs()
    this.#second = Math.floor(this.#runningMs / 1_000)
  }

  hold(heldMs: number): void {
    this.#heldUntilMs = this.#clock.monotonicMs() + heldMs
  }

  /** An item is tried again after a while. */
  pause(key: string, delayMs: number, trouble: string): void {
    this.#pauses.set(key, { untilMs: this.#clock.monotonicMs() + delayMs, trouble })
  }

  send(key: string): void {
    this.inFlight++
    this.#pauses.delete(key)
  }

  keep(answer: BatchAnswer): void {
    this.#kept++
    this.#take(answer, true)
  }

  succeed(answer: BatchAnswer, isReplayed: boolean): void {
    if (isReplayed) this.#replayed++
    this.#take(answer, isReplayed)
    this.#settle()
  }

  /** @param isUnknown whether no further run sends it */
  fail(isUnknown: boolean): void {
    this.#failed++
    if (isUnknown) this.#unknown++
    this.#settle()
  }

  snapshot(): BatchProgress {
    const nowMs = this.#clock.monotonicMs()
    const perSecond = this.#perSecond(nowMs)
    const left = this.total - this.#done - this.#failed
    const { heldMs, trouble } = this.#wait(nowMs)
    return {
      phase: this.phase,
      ...this.#facts,
      total: this.total,
      done: this.#done,
      failed: this.#failed,
      ...(this.#unknown > 0 && { unknown: this.#unknown }),
      kept: this.#kept,
      replayed: this.#replayed,
      inFlight: this.inFlight,
      limit: this.limit,
      heldMs,
      ...(trouble !== undefined && { trouble }),
      ...(this.awaited.count > 0 && { awaited: this.awaited.count }),
      perSecond,
      etaMs: left > 0 && perSecond > 0 ? Math.round((left / perSecond) * 1_000) : undefined,
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
      usdSpent: this.#usdSpent,
      withoutPrice: this.#withoutPrice,
      usdSaved: this.#usdSaved,
      elapsedMs: Math.round(nowMs - this.#startedMs),
      startedAt: this.#startedAt,
      updatedAt: new Date(this.#clock.wallMs()).toISOString(),
      ...(this.stopped !== undefined && { stopped: this.stopped }),
    }
  }

  /** What all wait for; where nothing is under way, that may be one item's next try. */
  #wait(nowMs: number): { heldMs: number; trouble: string | undefined } {
    const heldMs = Math.max(0, Math.round(this.#heldUntilMs - nowMs))
    if (heldMs > 0) return { heldMs, trouble: this.trouble }
    if (this.awaited.count > 0 || this.inFlight > 0) return { heldMs, trouble: this.awaited.trouble }
    const isRunning = this.phase === 'running'
    const pauses = [...this.#pauses.values()].filter(({ untilMs }) => isRunning && untilMs > nowMs)
    const [first] = pauses.sort((one, other) => one.untilMs - other.untilMs)
    return first === undefined
      ? { heldMs, trouble: undefined }
      : { heldMs: Math.round(first.untilMs - nowMs), trouble: first.trouble }
  }

  #take(answer: BatchAnswer, isSaved: boolean): void {
    this.#done++
    this.#inputTokens += answer.usage?.inputTokens ?? 0
    this.#outputTokens += answer.usage?.outputTokens ?? 0
    const usd = this.#costOf?.(answer)
    if (usd === undefined) {
      this.#withoutPrice++
      return
    }
    this.#usdSpent = (this.#usdSpent ?? 0) + usd
    if (isSaved) this.#usdSaved = (this.#usdSaved ?? 0) + usd
  }

  #settle(): void {
    this.#goTo(this.#clock.monotonicMs())
    const at = this.#second % this.#settled.length
    this.#settled[at] = (this.#settled[at] ?? 0) + 1
  }

  /** Empties the seconds that have gone by since. */
  #goTo(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    const from = Math.max(this.#second + 1, second - windowSeconds)
    for (let each = from; each <= second; each++) this.#settled[each % this.#settled.length] = 0
    this.#second = Math.max(this.#second, second)
  }

  #perSecond(nowMs: number): number {
    if (this.#runningMs === undefined) return 0
    this.#goTo(nowMs)
    const sum = this.#settled.reduce((one, other) => one + other, 0)
    // The second that runs counts as far as it has come; the first ones of a batch count alone.
    const windowMs = Math.min(nowMs - this.#runningMs, windowSeconds * 1_000 + (nowMs % 1_000))
    return windowMs <= 0 ? 0 : Math.round((sum / Math.max(windowMs, 100)) * 10_000) / 10
  }
}
