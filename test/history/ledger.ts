import { createLines, readLines } from './json-lines.ts'

/**
 * One moment of one effect. `dispatched` is written, and on disk, before the effect counts as begun. `reported` says
 * that a complete answer told of its failure; it is written before the attempt is released.
 */
export interface LedgerEntry {
  readonly process: string
  readonly key: string
  readonly owner: string
  readonly fence: number
  readonly attempt: number
  readonly phase: 'dispatched' | 'reported'
  readonly atMs: number
}

/** What effects really began, told by nobody but themselves. */
export interface Ledger {
  /** Returns once the entry cannot be lost. */
  add(entry: LedgerEntry): void
  close(): void
}

/**
 * A ledger in a new file, fsynced at each entry. One for each process life.
 *
 * @throws {Error} `EEXIST` when the file is there
 */
export function openLedger(path: string): Ledger {
  const lines = createLines(path, true)
  return { add: entry => lines.write(entry), close: () => lines.close() }
}

/** The same for a simulation: in memory, and gone with it. */
export interface MemoryLedger extends Ledger {
  readonly entries: readonly LedgerEntry[]
}

export function memoryLedger(): MemoryLedger {
  const entries: LedgerEntry[] = []
  return { entries, add: entry => void entries.push(entry), close: () => {} }
}

/** Reads ledgers in the order of time. A torn last line is an effect that never began: its writer was killed. */
export function readLedgers(paths: readonly string[]): LedgerEntry[] {
  const entries = paths.flatMap(path => readLines(path).map(line => line as LedgerEntry))
  return entries.sort((one, other) => one.atMs - other.atMs)
}
