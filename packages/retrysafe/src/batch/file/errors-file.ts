import { rm } from 'node:fs/promises'
import type { Clock } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { BatchRefusal } from './batch-line.ts'
import { LineTooLong, readJsonlLines } from './jsonl-lines.ts'
import { LineFile } from './line-file.ts'
import { errorLine, readOutputLine, refusalLine } from './output-line.ts'

/** The items that failed in this run. It is made with its first line: without failures there is none. */
export class ErrorsFile {
  readonly #path: string
  readonly #clock: Clock
  readonly #onFailure: (error: unknown) => void
  #file: LineFile | undefined

  constructor(path: string, clock: Clock, onFailure: (error: unknown) => void) {
    this.#path = path
    this.#clock = clock
    this.#onFailure = onFailure
  }

  async append(id: string, customId: string, error: unknown): Promise<void> {
    try {
      this.#file ??= await LineFile.create(this.#path, this.#clock, this.#onFailure)
    } catch (failure) {
      return this.#onFailure(failure)
    }
    await this.#file.append(failureLine(id, customId, error))
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}

function failureLine(id: string, customId: string, error: unknown): string {
  if (error instanceof BatchRefusal) return refusalLine(id, customId, error)
  return errorLine(id, customId, codeOf(error), describeThrown(error instanceof Error ? error.message : error))
}

/** A stable word for what went wrong: ours, or the platform's. */
function codeOf(error: unknown): string {
  for (let inner = error, depth = 0; inner instanceof Error && depth < 8; inner = inner.cause, depth++) {
    const { code } = inner as NodeJS.ErrnoException
    if (typeof code === 'string') return code
  }
  return error instanceof Error ? error.name : 'UNKNOWN'
}

/**
 * Takes away what an earlier run of the batch has left: its items are tried again.
 *
 * @param tag of `batchTag`
 * @throws {RetrysafeError} `CONFIG_INVALID`: another batch has written it, or something else; it is as it was
 */
export async function removeErrorsFile(path: string, tag: string): Promise<void> {
  if (!(await isOurs(path, tag))) {
    const advice = 'Choose another file for errors, or move it away'
    throw new RetrysafeError('CONFIG_INVALID', `${path} was not written by this batch. ${advice}`)
  }
  await rm(path, { force: true })
}

async function isOurs(path: string, tag: string): Promise<boolean> {
  try {
    for await (const { bytes, isEnded } of readJsonlLines(path)) {
      const { kind } = readOutputLine(bytes, tag)
      const head = `{"id":"${tag}`
      // A run that died in its first line has torn it.
      return kind === 'ours' || (!isEnded && kind === 'unreadable' && head.startsWith(decode(bytes, head.length)))
    }
    return true
  } catch (error) {
    if (error instanceof LineTooLong) return false
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
}

function decode(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.subarray(0, length)).toString('latin1')
}
