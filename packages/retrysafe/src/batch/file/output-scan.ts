import { stat } from 'node:fs/promises'
import { RetrysafeError } from '../../engine/errors.ts'
import type { BatchAnswer } from './batch-line.ts'
import { FileDraft } from './file-draft.ts'
import { Bits } from './hash-list.ts'
import type { CheckedInput } from './input-check.ts'
import { type JsonlLine, LineTooLong, readJsonlLines } from './jsonl-lines.ts'
import { readOutputLine } from './output-line.ts'

/** A line holds an answer of at most 64 MiB, which as a string may take six times the room. */
const maxOutputLineBytes = 419_430_400

/** What an output holds that stays. */
export interface ScannedOutput {
  /** By the place of an item's key in the input: its line is there. */
  readonly kept: Bits
  readonly keptCount: number
  /** Where to write on. */
  readonly lengthBytes: number
  /** The last line lacks its newline. */
  readonly isUnended: boolean
  /** Lines that were taken out, or would be. */
  readonly dropped: { readonly stale: number; readonly repeated: number; readonly unreadable: number }
}

export interface ScanOptions {
  readonly path: string
  /** Of `batchTag`. */
  readonly tag: string
  readonly batchId: string
  readonly input: CheckedInput
  readonly onKept: (answer: BatchAnswer) => void
  /** Whether lines that do not belong there are taken out of the file. */
  readonly isRepairing: boolean
}

/**
 * Reads what earlier runs have left in the output. Items that are there are not asked for again. Lines of items that the
 * input has no more, or has otherwise, lines that are there twice and lines that nobody can read are taken out, by a new
 * file in its place; a line that was torn at the end is cut off by whoever writes on.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`: another batch has written it, or something else; it is as it was
 */
export async function scanOutput(options: ScanOptions): Promise<ScannedOutput> {
  const { path, isRepairing } = options
  const scan = new Scan(options)
  if ((await stat(path).catch(() => undefined)) === undefined) return scan.result()
  let draft: FileDraft | undefined
  try {
    for await (const line of readJsonlLines(path, maxOutputLineBytes)) {
      const fate = scan.read(line)
      if (fate === 'drop' && isRepairing && draft === undefined) {
        draft = await FileDraft.begin(path)
        await draft.addFrom(path, line.offsetBytes)
      } else if (fate === 'keep') await draft?.addLine(line.bytes)
    }
    scan.refuseForeign()
    if (draft === undefined) return scan.result()
    return { ...scan.result(), lengthBytes: await draft.replace(), isUnended: false }
  } catch (error) {
    await draft?.discard()
    throw error instanceof LineTooLong ? scan.foreign(`line ${error.lineNumber}`) : error
  }
}

class Scan {
  readonly #options: ScanOptions
  readonly #kept: Bits
  #keptCount = 0
  #lengthBytes = 0
  #isUnended = false
  readonly #dropped = { stale: 0, repeated: 0, unreadable: 0 }
  /** Nothing shows yet that this is a file of ours. */
  #isUnproven = true
  #hasContent = false

  constructor(options: ScanOptions) {
    this.#options = options
    this.#kept = new Bits(options.input.total)
  }

  read({ bytes, endBytes, lineNumber, isEnded }: JsonlLine): 'keep' | 'drop' | 'torn' {
    this.#hasContent = true
    const { tag, input, onKept } = this.#options
    const line = readOutputLine(bytes, tag)
    switch (line.kind) {
      case 'foreign':
        throw this.foreign(`line ${lineNumber}`)
      case 'unreadable':
        return this.#readUnreadable(bytes, isEnded)
      case 'ours': {
        this.#isUnproven = false
        this.#lengthBytes = endBytes
        this.#isUnended = !isEnded
        const place = input.keys.placeOf(line.keyHash)
        if (place === undefined || line.answer === undefined || line.answer.status >= 300) {
          this.#dropped.stale++
          return 'drop'
        }
        if (this.#kept.set(place)) {
          this.#dropped.repeated++
          return 'drop'
        }
        this.#keptCount++
        onKept(line.answer)
        return 'keep'
      }
    }
  }

  /** A line that a run was writing when it died is the last, and begins like ours. */
  #readUnreadable(bytes: Uint8Array, isEnded: boolean): 'drop' | 'torn' {
    if (isEnded) {
      this.#dropped.unreadable++
      return 'drop'
    }
    const head = Buffer.from(`{"id":"${this.#options.tag}`)
    const length = Math.min(head.length, bytes.length)
    if (head.subarray(0, length).equals(bytes.subarray(0, length))) this.#isUnproven = false
    return 'torn'
  }

  refuseForeign(): void {
    if (this.#hasContent && this.#isUnproven) throw this.foreign('it')
  }

  foreign(what: string): RetrysafeError {
    const { path, batchId } = this.#options
    const whose = `was not written by the batch ${JSON.stringify(batchId)}: ${what} is of another, or of something else`
    // Without an id of its own a batch is named for where its output lies.
    const advice = 'Choose another output, or move it away; one that was moved itself needs the batch id that it had'
    return new RetrysafeError('CONFIG_INVALID', `${path} ${whose}. ${advice}`)
  }

  result(): ScannedOutput {
    return {
      kept: this.#kept,
      keptCount: this.#keptCount,
      lengthBytes: this.#lengthBytes,
      isUnended: this.#isUnended,
      dropped: { ...this.#dropped },
    }
  }
}
