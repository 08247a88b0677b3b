import { hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { RetrysafeError } from '../../engine/errors.ts'
import type { BatchLine } from './batch-line.ts'
import { HashList } from './hash-list.ts'
import { readInputLine } from './input-line.ts'
import { LineTooLong, readJsonlLines } from './jsonl-lines.ts'
import { printable } from './printable-text.ts'

/** Problems that are told one by one. */
const maxProblems = 20
/** Repeated ids that are looked at one by one. */
const maxRepeated = 10_000

/** What is wrong with a line of the input. */
export interface BatchProblem {
  readonly lineNumber: number
  readonly message: string
}

/** The input cannot be run as it is: nothing was sent. `code` is `CONFIG_INVALID`. */
export class BatchInputError extends RetrysafeError {
  /** The first 20, by line. */
  readonly problems: readonly BatchProblem[]
  /** All of them. */
  readonly problemCount: number

  constructor(input: string, problems: readonly BatchProblem[], problemCount: number) {
    const lines = problems.map(({ lineNumber, message }) => `  line ${lineNumber}: ${message}`)
    const more = problemCount - problems.length
    const what = problemCount === 1 ? '1 line cannot be run' : `${problemCount} lines cannot be run`
    super(
      'CONFIG_INVALID',
      [`${input}: ${what}; nothing was sent`, ...lines, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n'),
    )
    this.problems = problems
    this.problemCount = problemCount
  }
}

/** A file of input that can be run. */
export interface CheckedInput {
  readonly path: string
  /** Its items. */
  readonly total: number
  /** SHA-256 of every item's key; sealed. */
  readonly keys: HashList
  /** A member that no line of a batch has a use for, where one was seen. */
  readonly unknown: string | undefined
}

export interface CheckOptions {
  readonly path: string
  readonly keyOf: (line: BatchLine) => string
  /** Sees every good line; what it answers is wrong with it, and what it throws ends the check. Its body is to be copied before it is kept. */
  readonly onItem?: (line: BatchLine) => string | undefined
}

/**
 * Reads the whole input once, before anything is sent, in about 16 bytes of memory an item.
 *
 * @throws {BatchInputError} with all that is wrong with it
 * @throws {RetrysafeError} `CONFIG_INVALID`: it cannot be read, or there is nothing in it
 */
export async function checkInput({ path, keyOf, onItem }: CheckOptions): Promise<CheckedInput> {
  await findFile(path)
  const keys = new HashList()
  const customIds = new HashList()
  const problems = new Problems()
  let unknown: string | undefined
  try {
    for await (const jsonl of readJsonlLines(path)) {
      const read = readInputLine(jsonl)
      if (read.kind === 'bad') {
        problems.add(jsonl.lineNumber, read.reason)
        continue
      }
      unknown ??= read.unknown
      customIds.add(hash('sha256', read.line.customId, 'hex'))
      keys.add(hash('sha256', keyOf(read.line), 'hex'))
      const objection = onItem?.(read.line)
      if (objection !== undefined) problems.add(jsonl.lineNumber, objection)
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw isOfSystem(error) ? readFailure(path, error) : error
    problems.add(error.lineNumber, error.message)
  }
  customIds.seal()
  keys.seal()
  await findRepeated(path, customIds.repeated(maxRepeated), problems)
  if (problems.count > 0) throw new BatchInputError(path, problems.first, problems.count)
  if (keys.length === 0) throw new RetrysafeError('CONFIG_INVALID', `${path} is empty: there is no item in it`)
  return { path, total: keys.length, keys, unknown }
}

class Problems {
  readonly #found: BatchProblem[] = []
  count = 0

  add(lineNumber: number, message: string): void {
    this.count++
    this.#found.push({ lineNumber, message: printable(message) })
    // Those of repeated ids come later than others of greater line numbers.
    this.#found.sort((one, other) => one.lineNumber - other.lineNumber)
    this.#found.length = Math.min(this.#found.length, maxProblems)
  }

  get first(): readonly BatchProblem[] {
    return this.#found
  }
}

async function findFile(path: string): Promise<void> {
  const found = await stat(path).catch(error => {
    throw readFailure(path, error)
  })
  // It is read twice: what comes through a pipe is gone after the first time.
  if (!found.isFile()) throw new RetrysafeError('CONFIG_INVALID', `${path} is no file: a batch's input is read twice`)
}

function isOfSystem(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string'
}

function readFailure(path: string, error: unknown): RetrysafeError {
  const { code } = error as NodeJS.ErrnoException
  const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'there is no right to read it' : code
  return new RetrysafeError('CONFIG_INVALID', `${path} cannot be read: ${why ?? String(error)}`, { cause: error })
}

/** Equal hashes are a suspicion; the ids themselves, read once more, decide. */
async function findRepeated(path: string, suspects: ReadonlySet<string>, problems: Problems): Promise<void> {
  if (suspects.size === 0) return
  const firstLines = new Map<string, number>()
  try {
    for await (const jsonl of readJsonlLines(path)) {
      const read = readInputLine(jsonl)
      if (read.kind === 'bad') continue
      const { customId, lineNumber } = read.line
      if (!suspects.has(hash('sha256', customId, 'hex').slice(0, 16))) continue
      const first = firstLines.get(customId)
      if (first === undefined) firstLines.set(customId, lineNumber)
      else problems.add(lineNumber, `custom_id ${shown(customId)} stands on line ${first} already`)
    }
  } catch (error) {
    // It is known of since the first reading, which ended there as well.
    if (!(error instanceof LineTooLong)) throw isOfSystem(error) ? readFailure(path, error) : error
  }
}

function shown(customId: string): string {
  return JSON.stringify(customId.length > 80 ? `${customId.slice(0, 80)}…` : customId)
}
