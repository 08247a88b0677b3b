import type { Timer, Timers } from 'retrysafe/internal/engine/clock'
import type { Report } from 'retrysafe/internal/providers/usage'
import type { DuplicateKind } from './observed-call.ts'

const minuteMs = 60_000

/** One line in the log for each minute in which something was found. */
export class MinuteLog {
  readonly #timers: Timers
  readonly #log: (message: string) => void
  #timer: Timer | undefined
  #sums = noSums()

  constructor(timers: Timers, log: (message: string) => void) {
    this.#timers = timers
    this.#log = log
  }

  seen(kind: DuplicateKind | undefined, report: Report | undefined): void {
    this.#sums.requests++
    if (kind === undefined) return this.#start(false)
    this.#sums[kind]++
    if (kind !== 'identical') {
      const { inputTokens = 0, outputTokens = 0 } = report?.usage ?? {}
      this.#sums.tokens += inputTokens + outputTokens
    }
    this.#start(true)
  }

  reused(): void {
    this.#sums.reused++
    this.#start(true)
  }

  close(): void {
    this.#timer?.cancel()
    this.#tell()
  }

  #start(isFinding: boolean): void {
    this.#sums.isWorthALine ||= isFinding
    this.#timer ??= this.#timers.after(minuteMs, () => {
      this.#timer = undefined
      this.#tell()
    })
  }

  #tell(): void {
    const { requests, key, sdkRetry, identical, reused, tokens, isWorthALine } = this.#sums
    this.#sums = noSums()
    if (!isWorthALine) return
    this.#log(
      `observing: of ${requests} requests ${key + sdkRetry} were duplicates that would not have been run (${key} by key, ${sdkRetry} by retry count; ${tokens} tokens); ${identical} more had an identical request without a key, ${reused} a used key with another payload. All of it: retrysafe stats`,
    )
  }
}

function noSums(): Record<DuplicateKind | 'requests' | 'reused' | 'tokens', number> & { isWorthALine: boolean } {
  return { requests: 0, key: 0, sdkRetry: 0, identical: 0, reused: 0, tokens: 0, isWorthALine: false }
}
