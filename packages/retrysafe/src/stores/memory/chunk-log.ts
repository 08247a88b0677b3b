/** A record's log in memory: pieces with their offsets, read back by position. */
export class ChunkLog {
  readonly #chunks: Uint8Array[] = []
  readonly #starts: number[] = []
  #lengthBytes = 0

  get lengthBytes(): number {
    return this.#lengthBytes
  }

  /** Keeps `bytes` themselves: the caller must not write to them any more. */
  append(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return
    this.#starts.push(this.#lengthBytes)
    this.#chunks.push(bytes)
    this.#lengthBytes += bytes.byteLength
  }

  /** Drops everything from `lengthBytes` on. */
  cut(lengthBytes: number): void {
    while (this.#lengthBytes > lengthBytes) {
      const chunk = this.#chunks.pop()
      const start = this.#starts.pop()
      if (chunk === undefined || start === undefined) return
      this.#lengthBytes = start
      if (start < lengthBytes) this.append(chunk.subarray(0, lengthBytes - start))
    }
  }

  /** At most `limitBytes` from `offsetBytes`; one stored piece at the most, so a reader asks again. */
  read(offsetBytes: number, limitBytes: number): Uint8Array {
    if (offsetBytes < 0 || offsetBytes >= this.#lengthBytes) return new Uint8Array(0)
    const index = this.#indexOf(offsetBytes)
    const within = offsetBytes - (this.#starts[index] ?? 0)
    const chunk = this.#chunks[index] ?? new Uint8Array(0)
    return chunk.subarray(within, within + limitBytes)
  }

  /** The piece that holds `offsetBytes`, by bisection. */
  #indexOf(offsetBytes: number): number {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#starts[middle] ?? 0) <= offsetBytes) low = middle
      else high = middle - 1
    }
    return low
  }

  /** All of it in one piece. */
  whole(): Uint8Array {
    const [only, second] = this.#chunks
    if (only === undefined) return new Uint8Array(0)
    if (second === undefined) return only
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks.length = 0
    this.#starts.length = 0
    this.#lengthBytes = 0
    this.append(bytes)
    return bytes
  }
}
