import type { Store } from '../engine/store.ts'

/** The test runner, as far as the kit needs one: vitest's and node:test's functions fit with a line of glue. */
export interface KitRunner {
  describe(name: string, body: () => void): void
  it(name: string, body: () => Promise<void>): void
  /** A case that is not run, and why. */
  skip(name: string, reason: string): void
}

/** What a store's author gives the kit. */
export interface KitHarness {
  /**
   * A store that holds nothing, called once a case (and once for each walk of the model). `close` is called after it.
   * May answer the same data again and again when `shared` says so, but each time a handle that `close` makes refuse.
   */
  open(): Promise<Store>
  /** A second handle on the same data, as another process has it; for stores with `traits.crossProcess`. */
  openAgain?(store: Store): Promise<Store>
  /** Lets the store's time pass: moves its clock, or really waits. */
  pass(ms: number): Promise<void>
  /**
   * How far `pass` can go in one case, in ms; cases that need more are skipped and say so. `Infinity` for a clock that
   * only `pass` moves: cases are exact to the millisecond then. 3_000 runs most cases, 10_000 all but those of minutes.
   */
  readonly maxPassMs: number
  /** How long a clock that runs by itself may run between two steps, in ms. Default: 1_000, or 0 with `Infinity`. */
  readonly slackMs?: number
  /** Moves the wall clock alone, forth or back; for stores that count leases on another clock. */
  jumpWall?(ms: number): void
  /** For stores with `traits.transactional`. */
  transactions?(store: Store): KitTransactions
  /** Other cases or tests use the same data at the same time: cases that count the whole store are skipped. */
  readonly shared?: boolean
  /** How much the walks of the model do. */
  readonly walks?: KitWalks
  /** Written reasons for cases this store cannot meet, by case name. An entry that names no case fails. */
  readonly skips?: Readonly<Record<string, string>>
}

export interface KitTransactions {
  /**
   * Begins a transaction, commits it when `body` resolves, rolls back and rejects with its error when it rejects.
   * `effect` writes `name` in the transaction.
   */
  run(body: (tx: unknown, effect: (name: string) => Promise<void>) => Promise<void>): Promise<void>
  /** Names of the effects that were committed. */
  effects(): Promise<readonly string[]>
}

export interface KitWalks {
  /** Of each of the three kinds. Default: 100 with a clock moved by hand, else 4. */
  readonly count?: number
  /** Steps of each walk. Default: 60. */
  readonly steps?: number
  /** The first walk's seed; a failing walk prints its own. Default: 1. */
  readonly seed?: number
}
