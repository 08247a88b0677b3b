import type { Timer, Timers } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'

/** A write that takes longer gets no answer; it may still be made. */
const timeoutMs = 2_000
/** A write that takes so long waits for somebody who holds LMDB's lock. */
const stuckMs = 250
const lookMs = 100
/** A slow disk is no reason to wake stopped processes all the time. */
const stuckAgainMs = 1_000
/** A timer so late was late because this process was stopped. */
const stoppedMs = 150
/** After that nothing is written for so long: who let it run for a moment stops it again, and not inside a commit. */
const holdMs = 40

interface Pending {
  readonly sinceMs: number
  readonly giveUp: () => void
}

export interface WriteWatchOptions {
  readonly timers: Timers
  readonly monotonicMs: () => number
  readonly stuck: () => void
}

/**
 * Bounds the wait for writes. LMDB has one lock for all processes: while another one is stopped in the middle of a
 * commit, ours wait in line. The line is bounded: behind a write that was given up nobody queues another.
 */
export class WriteWatch {
  readonly #options: WriteWatchOptions
  /** Oldest first. */
  readonly #pending = new Set<Pending>()
  /** Given up, but still in LMDB's queue. */
  #abandoned = 0
  #timer: Timer | undefined
  #timerDueMs = Number.POSITIVE_INFINITY
  #holdUntilMs = 0
  #stuckAgainMs = 0
  #state: 'open' | 'closed' | 'abandoned' = 'open'

  constructor(options: WriteWatchOptions) {
    this.#options = options
  }

  /** @throws {RetrysafeError} `STORE_UNAVAILABLE` while older writes hang */
  begin<Commit extends Promise<unknown>>(write: () => Commit): Commit {
    this.requireOpen()
    if (this.#abandoned > 0) throw hangs()
    return write()
  }

  /** How long to wait before a write, ms; nearly always 0. */
  holdMs(): number {
    const nowMs = this.#options.monotonicMs()
    this.#noticeStop(nowMs)
    return Math.max(0, this.#holdUntilMs - nowMs)
  }

  /** The promise's value, within 2 s. */
  bound<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      let isAbandoned = false
      const pending: Pending = {
        sinceMs: this.#options.monotonicMs(),
        giveUp: () => {
          isAbandoned = true
          this.#abandoned++
          reject(hangs())
        },
      }
      const settle = (tell: () => void): void => {
        if (isAbandoned) this.#abandoned--
        else this.#pending.delete(pending)
        tell()
      }
      this.#pending.add(pending)
      this.#watch()
      promise.then(
        value => settle(() => resolve(value)),
        error => settle(() => reject(error)),
      )
    })
  }

  requireOpen(): void {
    if (this.#state === 'closed') throw new RetrysafeError('STORE_UNAVAILABLE', 'the LMDB store is closed')
    if (this.#state === 'abandoned') {
      throw new RetrysafeError(
        'STORE_UNAVAILABLE',
        'the files of the LMDB store were removed or replaced while it was open: start again',
      )
    }
  }

  /** The files are not there any more: what is written to them nobody else will ever see. */
  abandon(): void {
    if (this.#state === 'open') this.#state = 'abandoned'
  }

  /** @returns false when it was closed already */
  close(): boolean {
    if (this.#state === 'closed') return false
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#timer = undefined
    return true
  }

  /** One timer for all: most writes are over long before it fires. */
  #watch(): void {
    if (this.#timer !== undefined || this.#state === 'closed') return
    this.#timerDueMs = this.#options.monotonicMs() + lookMs
    this.#timer = this.#options.timers.after(lookMs, () => {
      this.#noticeStop(this.#options.monotonicMs())
      this.#timer = undefined
      this.#timerDueMs = Number.POSITIVE_INFINITY
      this.#look()
      if (this.#pending.size > 0 || this.#abandoned > 0) this.#watch()
    })
  }

  #noticeStop(nowMs: number): void {
    if (nowMs < this.#timerDueMs + stoppedMs) return
    this.#holdUntilMs = nowMs + holdMs
    // Once for each stop.
    this.#timerDueMs = Number.POSITIVE_INFINITY
  }

  #look(): void {
    const nowMs = this.#options.monotonicMs()
    const [oldest] = this.#pending
    const isStuck = this.#abandoned > 0 || (oldest !== undefined && nowMs - oldest.sinceMs >= stuckMs)
    if (isStuck && nowMs >= this.#stuckAgainMs) {
      this.#stuckAgainMs = nowMs + stuckAgainMs
      this.#options.stuck()
    }
    for (const pending of this.#pending) {
      if (nowMs - pending.sinceMs < timeoutMs) return
      this.#pending.delete(pending)
      pending.giveUp()
    }
  }
}

function hangs(): RetrysafeError {
  return new RetrysafeError(
    'STORE_UNAVAILABLE',
    'a write to the LMDB store got no answer within 2 s: another process may be stopped in the middle of one',
  )
}
