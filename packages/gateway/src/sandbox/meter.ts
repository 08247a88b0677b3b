import { appendFileSync, closeSync, openSync } from 'node:fs'

/** Words as tokens, see words.ts. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** What was spent under one idempotency key, without any, or under the keys past the bound. */
export interface Spend extends Usage {
  readonly runs: number
  readonly costUsd: number
}

/** Where a counted request belongs. The path has no query, which may hold a credential. */
export interface Receipt {
  readonly path: string
  readonly key: string | undefined
}

/** What the next run will be called. Good until the next count, so ask and count without an `await` between. */
export interface NextRun {
  readonly run: number
  /** How often the effect will have happened, this run included. */
  effectCount(name: string): number
}

/** The answer of `GET /meter`. `received` is always `runs + failed + rejected + repeated`. */
export interface MeterReport {
  readonly runs: number
  readonly received: number
  /** Answered by the `status` fault instead of by work: a real provider may have billed them or not. */
  readonly failed: number
  /** Answered 400, or 422 for a key that was used otherwise: not run. */
  readonly rejected: number
  /** Answered again from an earlier run of the key (`--idempotent`), at no cost. */
  readonly repeated: number
  readonly tokens: { readonly input: number; readonly output: number }
  readonly costUsd: number
  readonly pricing: typeof PRICING
  readonly byKey: Readonly<Record<string, Spend>>
  readonly withoutKey: Spend
  /** Runs under keys that came after the first `MAX_KEYS`. */
  readonly others: Spend
  readonly effects: Readonly<Record<string, number>>
  /** Effects whose names came after the first `MAX_EFFECTS`. */
  readonly otherEffects: number
}

export const MAX_KEYS = 100_000
export const MAX_KEY_CHARACTERS = 255
export const MAX_EFFECTS = 10_000

/** Fictional, and constant so that a test can expect a literal. */
export const PRICING: {
  readonly token: 'one word'
  readonly inputUsdPer1000Tokens: 0.01
  readonly outputUsdPer1000Tokens: 0.03
} = { token: 'one word', inputUsdPer1000Tokens: 0.01, outputUsdPer1000Tokens: 0.03 }

type Tally = { runs: number; inputTokens: number; outputTokens: number }

/**
 * Counts what the sandbox received and what it ran. With a file, each count is a line of JSON there before it is a
 * number here, and so before any answer: what a client has seen is in the file even after a kill -9 of the sandbox.
 * The file is only appended to, never read: a new sandbox counts from zero.
 */
export class Meter {
  readonly #file: number | undefined
  #all: Tally = noRuns()
  #withoutKey: Tally = noRuns()
  #others: Tally = noRuns()
  #failed = 0
  #rejected = 0
  #repeated = 0
  #otherEffects = 0
  readonly #byKey = new Map<string, Tally>()
  readonly #effects = new Map<string, number>()

  /** @throws the file system's error where `file` cannot be opened for appending */
  constructor(file?: string) {
    this.#file = file === undefined ? undefined : openSync(file, 'a')
  }

  next(): NextRun {
    return {
      run: this.#all.runs + 1,
      effectCount: name => (this.#effects.get(name) ?? (this.#hasRoomFor(name) ? 0 : this.#otherEffects)) + 1,
    }
  }

  /** Counts one paid run. */
  countRun(receipt: Receipt, usage: Usage, effect?: string): void {
    this.#write({ counted: 'run', run: this.#all.runs + 1, ...receipt, effect, ...usage, costUsd: costUsd(usage) })
    for (const tally of [this.#all, this.#tallyOf(receipt.key)]) {
      tally.runs += 1
      tally.inputTokens += usage.inputTokens
      tally.outputTokens += usage.outputTokens
    }
    if (effect === undefined) return
    if (this.#hasRoomFor(effect)) this.#effects.set(effect, (this.#effects.get(effect) ?? 0) + 1)
    else this.#otherEffects += 1
  }

  /** Counts a request that the `status` fault answered. */
  countFailed(receipt: Receipt): void {
    this.#write({ counted: 'failed', ...receipt })
    this.#failed += 1
  }

  /** Counts a request that was not understood. */
  countRejected(receipt: Receipt): void {
    this.#write({ counted: 'rejected', ...receipt })
    this.#rejected += 1
  }

  /** Counts a request that got an earlier answer of its key. */
  countRepeated(receipt: Receipt): void {
    this.#write({ counted: 'repeated', ...receipt })
    this.#repeated += 1
  }

  report(): MeterReport {
    const all = spendOf(this.#all)
    return {
      runs: all.runs,
      received: all.runs + this.#failed + this.#rejected + this.#repeated,
      failed: this.#failed,
      rejected: this.#rejected,
      repeated: this.#repeated,
      tokens: { input: all.inputTokens, output: all.outputTokens },
      costUsd: all.costUsd,
      pricing: PRICING,
      // fromEntries defines members instead of assigning them, so a key named __proto__ is a member like any other.
      byKey: Object.fromEntries([...this.#byKey].map(([key, tally]) => [key, spendOf(tally)])),
      withoutKey: spendOf(this.#withoutKey),
      others: spendOf(this.#others),
      effects: Object.fromEntries(this.#effects),
      otherEffects: this.#otherEffects,
    }
  }

  /** The spend of one key, all zero where it never ran. */
  spend(key: string): Spend {
    return spendOf(this.#byKey.get(meterKey(key)) ?? noRuns())
  }

  /** Back to zero; the file keeps its lines and gains one that says so. */
  reset(): void {
    this.#write({ counted: 'reset' })
    this.#all = noRuns()
    this.#withoutKey = noRuns()
    this.#others = noRuns()
    this.#failed = 0
    this.#rejected = 0
    this.#repeated = 0
    this.#otherEffects = 0
    this.#byKey.clear()
    this.#effects.clear()
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
  }

  #tallyOf(key: string | undefined): Tally {
    if (key === undefined) return this.#withoutKey
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    if (this.#byKey.size >= MAX_KEYS) return this.#others
    const fresh = noRuns()
    this.#byKey.set(key, fresh)
    return fresh
  }

  #hasRoomFor(effect: string): boolean {
    return this.#effects.has(effect) || this.#effects.size < MAX_EFFECTS
  }

  #write(line: object): void {
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

/** A key as the meter knows it: as it was sent, quotes included, but no longer than `MAX_KEY_CHARACTERS`. */
export function meterKey(key: string): string {
  return key.slice(0, MAX_KEY_CHARACTERS)
}

function noRuns(): Tally {
  return { runs: 0, inputTokens: 0, outputTokens: 0 }
}

function spendOf(tally: Tally): Spend {
  return { ...tally, costUsd: costUsd(tally) }
}

/** In whole 1/100,000 USD until the one division, so that sums are exact. */
function costUsd({ inputTokens, outputTokens }: Usage): number {
  return (inputTokens + 3 * outputTokens) / 100_000
}
