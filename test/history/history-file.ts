import { createLines, readLines } from './json-lines.ts'
import type { Operation, StepCall, StepResult } from './operation.ts'

/** Writes what one process asks and is told, so that a kill at any moment leaves a true history. */
export interface HistoryFile {
  /**
   * To be called just before the step is sent; what it answers is to be called with the step's answer, or never when
   * there was none (`STORE_UNAVAILABLE`, time-out).
   */
  invoke(key: string, call: StepCall): (result: StepResult) => void
  close(): void
}

/** A line before the step and a line after it; the return line names the invoke line by its number. */
type Line =
  | { line: 'invoke'; number: number; key: string; call: StepCall; atMs: number }
  | { line: 'return'; number: number; result: StepResult; atMs: number }

/**
 * A new history file, for one process life.
 *
 * @param nowMs default CLOCK_MONOTONIC, which all processes of one machine share
 * @throws {Error} `EEXIST` when the file is there
 */
export function openHistoryFile(path: string, nowMs: () => number = monotonicMs): HistoryFile {
  const lines = createLines(path, false)
  const write = (line: Line): void => lines.write(line)
  let count = 0
  return {
    invoke: (key, call) => {
      const number = count
      count += 1
      write({ line: 'invoke', number, key, call, atMs: nowMs() })
      return result => write({ line: 'return', number, result, atMs: nowMs() })
    },
    close: () => lines.close(),
  }
}

/** CLOCK_MONOTONIC in ms: unlike `performance.now()` it does not begin anew with each process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1_000_000
}

/**
 * The operations of one process, in the order of their invokes.
 *
 * @param process its name in the history
 * @throws {Error} a return without invoke, or a damaged line that is not the last
 */
export function readHistoryFile(path: string, process: string): Operation[] {
  const operations: Operation[] = []
  for (const value of readLines(path)) {
    const line = value as Line
    if (line.line === 'invoke') {
      operations[line.number] = { process, key: line.key, call: line.call, invokedAtMs: line.atMs }
      continue
    }
    const invoked = operations[line.number]
    if (invoked === undefined) throw new Error(`${path}: return ${line.number} has no invoke`)
    operations[line.number] = { ...invoked, returnedAtMs: line.atMs, result: line.result }
  }
  return operations
}
