import { hash } from 'node:crypto'
import type { BatchFiles } from './batch-files.ts'
import type { BatchLine } from './batch-line.ts'
import { keyOf } from './comparison.ts'
import { Bits } from './hash-list.ts'
import type { CheckedInput } from './input-check.ts'
import { readInputLine } from './input-line.ts'
import { type JsonlLine, LineTooLong, readJsonlLines } from './jsonl-lines.ts'

/** A line of the input, and the place of its key among those that were checked. */
export interface PlacedLine {
  /** Its body is to be copied (`ownLine`) before the next line is asked for. */
  readonly line: BatchLine
  readonly place: number
}

/** The input is another than the one that was checked. */
export class InputChanged extends Error {
  constructor(input: string) {
    super(`${input} has changed while the batch ran: let it be, and run it again`)
  }
}

/**
 * Reads an input again, after its check.
 *
 * @throws {InputChanged} at the first line that was not there, and at the end where one is missing
 */
export async function* readPlacedLines(
  { input: path, batchId }: BatchFiles,
  { keys, total }: CheckedInput,
): AsyncGenerator<PlacedLine, void, undefined> {
  const seen = new Bits(total)
  let count = 0
  for await (const jsonl of readAgain(path)) {
    const read = readInputLine(jsonl)
    if (read.kind === 'bad') throw new InputChanged(path)
    const place = keys.placeOf(hash('sha256', keyOf(batchId, read.line), 'hex'))
    if (place === undefined || seen.set(place)) throw new InputChanged(path)
    count++
    yield { line: read.line, place }
  }
  if (count < total) throw new InputChanged(path)
}

async function* readAgain(path: string): AsyncGenerator<JsonlLine, void, undefined> {
  try {
    yield* readJsonlLines(path)
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw isGone || error instanceof LineTooLong ? new InputChanged(path) : error
  }
}
