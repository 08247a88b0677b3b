import { createHash } from 'node:crypto'

/** A longer body is compared by its bytes as sent alone, and not kept for that. */
const maxKeptBytes = 1_048_576
/** All bodies that are kept at once. */
const maxKeptTogetherBytes = 67_108_864

/** How much all taps keep. */
export interface KeptBytes {
  bytes: number
}

/** A body that has gone by: all of it, or what names its bytes. */
export type SeenBody = { kind: 'whole'; bytes: Buffer } | { kind: 'hashed'; digest: Buffer }

/** Sees a body go by: hashes it as it comes, and keeps what is small for as long as it takes to compare it. */
export class BodyTap {
  readonly #kept: KeptBytes
  readonly #hash = createHash('sha256')
  #pieces: Buffer[] | undefined = []
  #lengthBytes = 0

  constructor(kept: KeptBytes) {
    this.#kept = kept
  }

  write(bytes: Buffer): void {
    this.#hash.update(bytes)
    if (this.#pieces === undefined) return
    const isTooLarge = this.#lengthBytes + bytes.byteLength > maxKeptBytes
    if (isTooLarge || this.#kept.bytes + bytes.byteLength > maxKeptTogetherBytes) return this.drop()
    this.#lengthBytes += bytes.byteLength
    this.#kept.bytes += bytes.byteLength
    this.#pieces.push(bytes)
  }

  end(): SeenBody {
    const bytes = this.#pieces === undefined ? undefined : Buffer.concat(this.#pieces, this.#lengthBytes)
    return bytes === undefined ? { kind: 'hashed', digest: this.#hash.digest() } : { kind: 'whole', bytes }
  }

  /** Nothing is kept any more. */
  drop(): void {
    this.#kept.bytes -= this.#lengthBytes
    this.#lengthBytes = 0
    this.#pieces = undefined
  }
}
