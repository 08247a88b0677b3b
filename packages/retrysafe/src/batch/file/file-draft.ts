import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

const pieceBytes = 1_048_576
const newline = Uint8Array.of(0x0a)

/** A file to come: it takes another one's place all at once, or, should anything go wrong on the way, not at all. */
export class FileDraft {
  readonly #path: string
  readonly #draft: string
  readonly #file: FileHandle
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #lengthBytes = 0

  private constructor(path: string, draft: string, file: FileHandle) {
    this.#path = path
    this.#draft = draft
    this.#file = file
  }

  /** Begins it, with the rights of the file at `path`, in the same folder. What a dead process left there goes. */
  static async begin(path: string): Promise<FileDraft> {
    const draft = `${path}.draft`
    const { mode } = await stat(path)
    const file = await open(draft, 'w', mode)
    // What this process takes from its new files is not taken from that one. Not every file system can say.
    await file.chmod(mode & 0o7777).catch(() => undefined)
    return new FileDraft(path, draft, file)
  }

  /** The first bytes of another file. */
  async addFrom(path: string, lengthBytes: number): Promise<void> {
    const source = await open(path, 'r')
    try {
      for (let at = 0; at < lengthBytes; ) at += await this.addRange(source, at, Math.min(pieceBytes, lengthBytes - at))
    } finally {
      await source.close()
    }
  }

  /** @returns how many bytes there were */
  async addRange(source: FileHandle, offsetBytes: number, lengthBytes: number): Promise<number> {
    const bytes = Buffer.allocUnsafe(lengthBytes)
    for (let at = 0; at < lengthBytes; ) {
      const { bytesRead } = await source.read(bytes, at, lengthBytes - at, offsetBytes + at)
      if (bytesRead === 0) throw new Error(`${this.#path} has become shorter while it was read`)
      at += bytesRead
    }
    await this.#add(bytes)
    return lengthBytes
  }

  /** @param bytes are copied; a newline is put behind them */
  async addLine(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(new Uint8Array(bytes))
    this.#waitingBytes += bytes.length
    await this.#add(newline)
  }

  /** Puts it in its place, durably. @returns its length */
  async replace(): Promise<number> {
    await this.#write()
    await this.#file.sync()
    await this.#file.close()
    await rename(this.#draft, this.#path)
    await syncFolder(dirname(this.#path))
    return this.#lengthBytes
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await rm(this.#draft, { force: true })
  }

  async #add(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= pieceBytes) await this.#write()
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    await writeAt(this.#file, bytes, this.#lengthBytes)
    this.#lengthBytes += bytes.length
  }
}

/** All of `bytes`: a single write may take a part of them. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, offsetBytes: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, offsetBytes + at)).bytesWritten
  }
}

/** A new name outlives a crash of the machine only when its folder is on the disk. Not every system can do that. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}
