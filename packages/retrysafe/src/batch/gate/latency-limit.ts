const leastWindow = 32
const rememberedWindows = 32
/** Answers are late where the quick tenth of a window takes so much longer than that of the best window remembered. */
const lateFactor = 2
/** Below that nobody is kept waiting, and a busy machine of our own looks like a slow server. */
const leastLateMs = 100
const grownFactor = 1.1
const cut = 0.9
/** A trial is judged once the limit is down to this share, and has helped where answers come that much sooner. */
const trialShare = 0.75
const helpedShare = 0.85
const leastShare = 0.25

interface Window {
  readonly quickMs: number
  readonly perMs: number
}

/** Where a trial began. */
interface Trial {
  readonly limit: number
  readonly quickMs: number
}

/**
 * How many may be under way where too many are not refused but kept waiting. Less is only tried: where answers come no
 * sooner for it, it was not us (longer items, a slow hour), and the limit goes back. A queue holds up everybody, so the
 * quick tenth of the answers is looked at: a few long items more or less don't move it.
 */
export class LatencyLimit {
  readonly #most: number
  #limit: number
  #latenciesMs: number[] = []
  #windowFromMs: number | undefined
  #recent: Window[] = []
  #trial: Trial | undefined
  #lateWindows = 0

  constructor(most: number) {
    this.#most = most
    this.#limit = most
  }

  get limit(): number {
    return this.#limit
  }

  /**
   * An answer to what was begun after the last cut.
   *
   * @param limit what holds now, which may be less than this limit
   * @returns true when the limit was cut: what is under way now is no longer of interest
   */
  answered(latencyMs: number, nowMs: number, limit: number): boolean {
    this.#windowFromMs ??= nowMs
    this.#latenciesMs.push(latencyMs)
    if (this.#latenciesMs.length < Math.max(leastWindow, limit)) return false
    const sorted = this.#latenciesMs.sort((one, other) => one - other)
    const quickMs = sorted[Math.floor(sorted.length / 10)] ?? 0
    const perMs = sorted.length / Math.max(1, nowMs - this.#windowFromMs)
    this.#latenciesMs = []
    this.#windowFromMs = nowMs
    return this.#judge({ quickMs, perMs }, limit)
  }

  #judge(window: Window, limit: number): boolean {
    const best = this.#recent.reduce((least, other) => (other.quickMs < least.quickMs ? other : least), window)
    this.#recent = [...this.#recent, window].slice(-rememberedWindows)
    const lateMs = Math.max(leastLateMs, lateFactor * best.quickMs)
    const late = window.quickMs > lateMs && window.perMs <= grownFactor * best.perMs
    this.#lateWindows = late ? this.#lateWindows + 1 : 0
    if (this.#lateWindows >= 2) return this.#tryLess(window, limit)
    if (!late) this.#grow()
    return false
  }

  #tryLess(window: Window, limit: number): boolean {
    this.#trial ??= { limit, quickMs: window.quickMs }
    if (limit <= Math.max(trialShare * this.#trial.limit, leastShare * this.#most)) {
      if (window.quickMs > helpedShare * this.#trial.quickMs) {
        this.#takeBack(this.#trial, window)
        return false
      }
      this.#trial = { limit, quickMs: window.quickMs }
    }
    this.#limit = Math.max(Math.ceil(leastShare * this.#most), Math.floor(cut * limit))
    this.#windowFromMs = undefined
    return true
  }

  /** It did not help: this is how long answers take now. */
  #takeBack(trial: Trial, window: Window): void {
    this.#limit = Math.max(this.#limit, trial.limit)
    this.#trial = undefined
    this.#lateWindows = 0
    this.#recent = [window]
  }

  #grow(): void {
    this.#trial = undefined
    this.#limit = Math.min(this.#most, this.#limit + Math.ceil(this.#limit / 16))
  }
}
