import type { Timer, Timers } from 'retrysafe/internal/engine/clock'

/** One attempt of an SDK that counts them. */
export interface CountedAttempt {
  /** From 0. */
  readonly count: number
  readonly beganMs: number
  /** How long its client waits, if it says so. */
  readonly timeoutMs: number | undefined
  /** Told once: it repeats an attempt that its client had left, which with us would have gone on. */
  judgePair(isDuplicate: boolean): void
}

/** How long an attempt whose client left is kept for the next one. */
const offeredMs = 120_000
/** A disconnect may be on its way still. */
const onItsWayMs = 250
/** A client whose time-out is over by so much is gone, though its socket says nothing. */
const overdueMs = 1_000
/** Attempts of one request that are remembered: the newest. */
const maxAttempts = 64

/** Only what the next attempt may still be paired with. */
interface Known {
  readonly attempt: CountedAttempt
  state: 'running' | 'left'
  leftMs: number
  isTaken: boolean
}

interface Waiting {
  readonly attempt: CountedAttempt
  readonly timer: Timer
}

/** The attempts at one request: pairs each with the one before it, if that was left before its answer was written. */
export class RetryPairs {
  readonly #timers: Timers
  #known: Known[] = []
  #waiting: Waiting[] = []

  constructor(timers: Timers) {
    this.#timers = timers
  }

  enter(attempt: CountedAttempt, nowMs: number): void {
    this.#known = this.#known.filter(({ state, leftMs }) => state === 'running' || nowMs <= leftMs + offeredMs)
    const before = this.#known.filter(({ attempt: { count }, isTaken }) => count === attempt.count - 1 && !isTaken)
    this.#known.push({ attempt, state: 'running', leftMs: 0, isTaken: false })
    if (this.#known.length > maxAttempts) this.#known.shift()
    const gone = before.findLast(known => isGone(known, nowMs))
    if (gone !== undefined) {
      this.#take(gone)
      return attempt.judgePair(true)
    }
    if (before.length === 0) return attempt.judgePair(false)
    const timer = this.#timers.after(onItsWayMs, () => {
      if (this.#stopWaiting(attempt)) attempt.judgePair(false)
    })
    this.#waiting.push({ attempt, timer })
  }

  /** Its client has left, before its answer was written. */
  left(attempt: CountedAttempt, nowMs: number): void {
    const known = this.#find(attempt)
    if (known === undefined) return
    known.state = 'left'
    known.leftMs = nowMs
    if (known.isTaken) return this.#forget(known)
    const next = this.#waiting.find(({ attempt: { count } }) => count === attempt.count + 1)
    if (next === undefined) return
    this.#take(known)
    this.#stopWaiting(next.attempt)
    next.attempt.judgePair(true)
  }

  answered(attempt: CountedAttempt): void {
    const known = this.#find(attempt)
    if (known !== undefined) this.#forget(known)
  }

  #take(known: Known): void {
    known.isTaken = true
    if (known.state === 'left') this.#forget(known)
  }

  #forget(known: Known): void {
    this.#known = this.#known.filter(other => other !== known)
  }

  #find(attempt: CountedAttempt): Known | undefined {
    return this.#known.find(known => known.attempt === attempt)
  }

  #stopWaiting(attempt: CountedAttempt): boolean {
    const at = this.#waiting.findIndex(waiting => waiting.attempt === attempt)
    if (at === -1) return false
    this.#waiting[at]?.timer.cancel()
    this.#waiting.splice(at, 1)
    return true
  }
}

function isGone({ state, attempt: { beganMs, timeoutMs } }: Known, nowMs: number): boolean {
  return state === 'left' || (timeoutMs !== undefined && nowMs > beganMs + timeoutMs + overdueMs)
}
