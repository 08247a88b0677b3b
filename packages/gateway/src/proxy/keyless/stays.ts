import type { Clock, Timers } from 'retrysafe/internal/engine/clock'

/** A call whose client waits for its answer, as far as this process knows. */
export interface Stay {
  /** When its client must have given up, on the monotonic clock; infinite where it does not say, or is being answered. */
  readonly abandonedAtMs: number
  /** Its client has left: it is about to be offered, or given up. */
  readonly isLeaving: boolean
  /** What a retry of it would look for. Rejects where that cannot be told. */
  pairKey(): Promise<string>
  /** Its client must have given up: it goes on as if that had left. */
  abandon(): void
}

interface Place {
  readonly stays: Set<Stay>
  /** Retries that wait for an offer, by what they look for. */
  readonly seekers: Map<string, Set<() => void>>
}

/** A disconnect may arrive behind the retry that follows it. */
const disconnectMs = 250
/** A client that leaves is about to be offered: that is waited for. */
const leavingMs = 2_000
/** One whose own time-out is over is about to be given up. */
const overdueMs = 1_000
/** Timers may be so early, or so late. */
const timerMs = 50
/** Of overdue calls so many are looked at for one retry. */
const maxLookedAt = 8

/**
 * Where the calls of this process stay whose clients wait, so that a retry that arrives before its predecessor's
 * disconnect can wait for it. By what is known without a hash: tenant, upstream, method, path and count.
 */
export class Stays {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #places = new Map<string, Place>()

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
  }

  add(name: string, stay: Stay): void {
    const place = this.#places.get(name)
    if (place === undefined) this.#places.set(name, { stays: new Set([stay]), seekers: new Map() })
    else place.stays.add(stay)
  }

  isAny(name: string): boolean {
    return this.#places.has(name)
  }

  /** It has had its answer, or is offered, or given up. Where nobody stays, nobody need wait. */
  remove(name: string, stay: Stay): void {
    const place = this.#places.get(name)
    if (place === undefined || !place.stays.delete(stay) || place.stays.size > 0) return
    this.#places.delete(name)
    for (const seekers of place.seekers.values()) for (const wake of [...seekers]) wake()
  }

  /** There is one more offer: of those who look for it, one need look again. */
  offered(name: string, pairKey: string): void {
    const seekers = this.#places.get(name)?.seekers.get(pairKey)
    for (const wake of seekers ?? []) return wake()
  }

  /**
   * Waits for an offer from those who stay there, as long as one of them may still leave.
   *
   * @param sinceMs when the waiting began
   * @returns whether there may be one; false: nobody will come any more
   */
  async nextOffer(name: string, pairKey: string, sinceMs: number, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      const place = this.#places.get(name)
      if (place === undefined || signal.aborted) return false
      await this.#abandonOverdue(place, pairKey)
      const untilMs = this.#patienceEndMs(place, sinceMs)
      const leftMs = untilMs - this.#clock.monotonicMs()
      if (leftMs <= 0) return false
      if (await this.#wake(place, pairKey, leftMs, signal)) return true
    }
  }

  #patienceEndMs({ stays }: Place, sinceMs: number): number {
    let endMs = sinceMs + disconnectMs
    for (const { isLeaving, abandonedAtMs } of stays) {
      if (isLeaving) endMs = Math.max(endMs, sinceMs + leavingMs)
      // A moment longer than that, so that it is looked at once more when its time has come.
      else if (abandonedAtMs <= sinceMs + overdueMs) endMs = Math.max(endMs, abandonedAtMs + timerMs)
    }
    return endMs
  }

  async #abandonOverdue({ stays }: Place, pairKey: string): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    let looked = 0
    for (const stay of stays) {
      if (stay.isLeaving || stay.abandonedAtMs > nowMs) continue
      const found = await stay.pairKey().catch(() => undefined)
      // Meanwhile it may have been answered, or somebody else may have given it up: then it knows better.
      if (found === pairKey) return stay.abandon()
      if (++looked === maxLookedAt) return
    }
  }

  /** @returns false when `waitMs` is over */
  #wake(place: Place, pairKey: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const seekers = place.seekers.get(pairKey) ?? new Set()
    place.seekers.set(pairKey, seekers)
    return new Promise(resolve => {
      const finish = (isWoken: boolean): void => {
        timer.cancel()
        signal.removeEventListener('abort', leave)
        seekers.delete(wake)
        if (seekers.size === 0) place.seekers.delete(pairKey)
        resolve(isWoken)
      }
      const wake = (): void => finish(true)
      const leave = (): void => finish(false)
      const timer = this.#timers.after(waitMs, leave)
      signal.addEventListener('abort', leave)
      seekers.add(wake)
    })
  }
}
