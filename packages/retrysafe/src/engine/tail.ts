/** What a reader of a tail finds at its offset. */
export type TailRead = { kind: 'bytes'; bytes: Uint8Array } | { kind: 'earlier' } | { kind: 'nothing' }

export type TailState = 'live' | 'sealed' | 'broken'

/** Small chunks are gathered in blocks: a chunk of one byte takes hundreds of bytes, and a step of whoever looks for one. */
const blockBytes = 4_096
/** Before that they stay as they came, uncopied: few answers come in more. */
const looseChunks = 16

/**
 * The newest bytes of an answer that is coming in: a window in memory, a limit up to which readers may see, and a bell
 * for those who wait. The writer never waits for a reader.
 */
export class Tail {
  readonly #chunks: Uint8Array[] = []
  /** What the last chunk is the beginning of, when it is being gathered. */
  #block: Uint8Array | undefined
  #startBytes = 0
  #lengthBytes = 0
  #heldFromBytes = Number.POSITIVE_INFINITY
  #state: TailState = 'live'
  #bell: { rung: Promise<void>; ring: () => void } | undefined

  get lengthBytes(): number {
    return this.#lengthBytes
  }

  get startBytes(): number {
    return this.#startBytes
  }

  get state(): TailState {
    return this.#state
  }

  /** Readers see nothing from here on until the tail is sealed. */
  get visibleBytes(): number {
    return this.#state === 'sealed' ? this.#lengthBytes : Math.min(this.#heldFromBytes, this.#lengthBytes)
  }

  write(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return
    if (!this.#gather(bytes)) this.#chunks.push(bytes)
    this.#lengthBytes += bytes.byteLength
    this.#ring()
  }

  hold(fromBytes: number): void {
    if (fromBytes === this.#heldFromBytes) return
    this.#heldFromBytes = fromBytes
    this.#ring()
  }

  end(state: 'sealed' | 'broken'): void {
    if (this.#state !== 'live') return
    this.#state = state
    this.#ring()
  }

  /** Whole chunks before `offsetBytes` leave the window. */
  drop(offsetBytes: number): void {
    let count = 0
    for (const { byteLength } of this.#chunks) {
      if (this.#startBytes + byteLength > offsetBytes) break
      this.#startBytes += byteLength
      count++
    }
    if (count > 0) this.#chunks.splice(0, count)
    if (this.#chunks.length === 0) this.#block = undefined
  }

  /** The rest of the chunk at `offsetBytes`, as far as it is visible. */
  read(offsetBytes: number): TailRead {
    const visible = this.visibleBytes
    if (offsetBytes >= visible) return { kind: 'nothing' }
    if (offsetBytes < this.#startBytes) return { kind: 'earlier' }
    // From the end on: most readers are there.
    let end = this.#lengthBytes
    for (let at = this.#chunks.length - 1; at >= 0; at--) {
      const chunk = this.#chunks[at] ?? new Uint8Array(0)
      const start = end - chunk.byteLength
      if (offsetBytes >= start) {
        return { kind: 'bytes', bytes: chunk.subarray(offsetBytes - start, Math.min(end, visible) - start) }
      }
      end = start
    }
    return { kind: 'nothing' }
  }

  /** What the window has of `offsetBytes` to `endBytes`, held or not, copied into one piece after `prefix`. */
  copy(offsetBytes: number, endBytes: number, prefix?: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = prefix === undefined ? [] : [prefix]
    let start = this.#startBytes
    for (const chunk of this.#chunks) {
      const end = start + chunk.byteLength
      if (end > offsetBytes && start < endBytes) {
        parts.push(chunk.subarray(Math.max(0, offsetBytes - start), Math.min(end, endBytes) - start))
      }
      start = end
    }
    return Buffer.concat(parts)
  }

  /** All of it, when nothing has left the window; not copied if it came in one piece. */
  whole(): Uint8Array {
    const [only, second] = this.#chunks
    return only !== undefined && second === undefined ? only : Buffer.concat(this.#chunks)
  }

  /** Resolves at the next change. Look after subscribing: changes before it are not told. */
  changed(): Promise<void> {
    this.#bell ??= makeBell()
    return this.#bell.rung
  }

  /** What readers have of a block stays as it is: it only grows behind it. */
  #gather(bytes: Uint8Array): boolean {
    const last = this.#chunks.length - 1
    const usedBytes = this.#chunks[last]?.byteLength ?? 0
    if (this.#block !== undefined && usedBytes + bytes.byteLength <= this.#block.byteLength) {
      this.#block.set(bytes, usedBytes)
      this.#chunks[last] = this.#block.subarray(0, usedBytes + bytes.byteLength)
      return true
    }
    this.#block = undefined
    if (this.#chunks.length < looseChunks || bytes.byteLength > blockBytes / 4) return false
    this.#block = new Uint8Array(blockBytes)
    this.#block.set(bytes)
    this.#chunks.push(this.#block.subarray(0, bytes.byteLength))
    return true
  }

  #ring(): void {
    const bell = this.#bell
    this.#bell = undefined
    bell?.ring()
  }
}

function makeBell(): { rung: Promise<void>; ring: () => void } {
  let ring = (): void => {}
  const rung = new Promise<void>(resolve => {
    ring = resolve
  })
  return { rung, ring }
}
