import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Clock } from '../../engine/clock.ts'
import { writeAt } from './file-draft.ts'

/** Bytes that wait to be written before who appends is to wait, too. */
const maxWaitingBytes = 8_388_608
/** At most so much is lost from OUT, not from the store, when the machine itself dies. */
const syncMs = 1_000

/** Somebody else had their hands on a file that is being written: lines of it may be gone. */
export class FileDisturbed extends Error {
  constructor(path: string) {
    super(`${path} was moved, removed or changed while the batch wrote to it`)
  }
}

/**
 * Whole lines at the end of a file, in the order of `append`; those that come in one turn are one write. A write that
 * fails ends it: what is not whole is cut off again, and nothing more is written.
 */
export class LineFile {
  readonly #path: string
  readonly #file: FileHandle
  readonly #clock: Clock
  readonly #onFailure: (error: unknown) => void
  #waiting: string[] = []
  #waitingBytes = 0
  #lengthBytes: number
  #syncedMs: number
  #isDirty = false
  #failure: unknown
  #writing: Promise<void> | undefined

  private constructor(
    path: string,
    file: FileHandle,
    lengthBytes: number,
    clock: Clock,
    onFailure: (error: unknown) => void,
  ) {
    this.#path = path
    this.#file = file
    this.#lengthBytes = lengthBytes
    this.#clock = clock
    this.#onFailure = onFailure
    this.#syncedMs = clock.monotonicMs()
  }

  /** A file that is not there. @param onFailure hears of the first write that fails */
  static async create(path: string, clock: Clock, onFailure: (error: unknown) => void): Promise<LineFile> {
    return new LineFile(path, await open(path, 'wx'), 0, clock, onFailure)
  }

  /**
   * @param lengthBytes what of the file stays; the rest is cut off
   * @param onFailure hears of the first write that fails
   */
  static async open(
    path: string,
    lengthBytes: number,
    clock: Clock,
    onFailure: (error: unknown) => void,
  ): Promise<LineFile> {
    // Neither 'r+', which does not make it, nor 'a', which writes at the end whatever the place.
    const file = await open(path, 'a+').then(async made => {
      await made.close()
      return open(path, 'r+')
    })
    await file.truncate(lengthBytes)
    return new LineFile(path, file, lengthBytes, clock, onFailure)
  }

  /** @param line with its newline. @returns what to wait for where much is waiting to be written; never rejects */
  append(line: string): Promise<void> | undefined {
    if (this.#failure !== undefined) return undefined
    this.#waiting.push(line)
    this.#waitingBytes += line.length
    this.#writing ??= this.#writeAll()
    return this.#waitingBytes > maxWaitingBytes ? this.#writing : undefined
  }

  /** Resolves when all that was appended is durable, or has failed; `onFailure` tells which. */
  async close(): Promise<void> {
    await this.#writing
    if (this.#failure === undefined) await this.#finish().catch(error => this.#fail(error))
    await this.#file.close()
  }

  async #writeAll(): Promise<void> {
    // What else comes in this turn goes along.
    await Promise.resolve()
    while (this.#waiting.length > 0 && this.#failure === undefined) {
      const lines = this.#waiting
      this.#waiting = []
      this.#waitingBytes = 0
      await this.#write(lines).catch(error => this.#fail(error))
    }
    this.#writing = undefined
  }

  async #write(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.join(''))
    // In a file that was cut, a write at its old end would leave a hole, and nobody the wiser.
    if ((await this.#file.stat()).size !== this.#lengthBytes) throw new FileDisturbed(this.#path)
    await writeAt(this.#file, bytes, this.#lengthBytes)
    this.#lengthBytes += bytes.length
    this.#isDirty = true
    if (this.#clock.monotonicMs() - this.#syncedMs < syncMs) return
    await this.#file.datasync()
    await this.#findInPlace()
    this.#isDirty = false
    this.#syncedMs = this.#clock.monotonicMs()
  }

  async #finish(): Promise<void> {
    if (this.#isDirty) await this.#file.sync()
    await this.#findInPlace()
  }

  /** A file that was taken away is written to all the same, and is gone with its last descriptor. */
  async #findInPlace(): Promise<void> {
    const [own, there] = await Promise.all([
      this.#file.stat(),
      stat(this.#path).catch(error => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }),
    ])
    const isThere = there !== undefined && there.ino === own.ino && there.dev === own.dev
    if (!isThere || own.size !== this.#lengthBytes) throw new FileDisturbed(this.#path)
  }

  async #fail(error: unknown): Promise<void> {
    this.#failure ??= error
    // Should this fail as well, the next run cuts it off.
    if (!(error instanceof FileDisturbed)) await this.#file.truncate(this.#lengthBytes).catch(() => undefined)
    this.#onFailure(error)
  }
}
