import { unlessAborted } from './abort.ts'
import type { Follower } from './follower.ts'
import type { ItemsHead } from './outcome.ts'
import { decodeValue, encodeValue } from './value-codec.ts'

/** A frame: what it is in 1 byte, the length of its value in 4, big endian, and the value as `encodeValue` writes it. */
const frameBytes = 5
const kinds = ['item', 'returned'] as const
type FrameKind = (typeof kinds)[number]

interface Frame {
  readonly kind: FrameKind
  readonly value: unknown
}

/**
 * @param name what the value is called in an error
 * @throws {RetrysafeError} `RESULT_NOT_SERIALIZABLE`
 */
export function encodeFrame(kind: FrameKind, value: unknown, name: string): Uint8Array {
  const bytes = encodeValue(value, name)
  const frame = Buffer.allocUnsafe(frameBytes + bytes.byteLength)
  frame[0] = kinds.indexOf(kind)
  frame.writeUInt32BE(bytes.byteLength, 1)
  frame.set(bytes, frameBytes)
  return frame
}

/** Takes frames out of bytes that come in pieces of any size. */
class FrameReader {
  #pieces: Uint8Array[] = []
  #heldBytes = 0
  #neededBytes = frameBytes

  /** The frames that are whole now. */
  read(bytes: Uint8Array): Frame[] {
    this.#pieces.push(bytes)
    this.#heldBytes += bytes.byteLength
    const frames: Frame[] = []
    if (this.#heldBytes < this.#neededBytes) return frames
    const held = Buffer.concat(this.#pieces)
    let at = 0
    for (;;) {
      this.#neededBytes = frameBytes
      if (held.byteLength - at < frameBytes) break
      this.#neededBytes += held.readUInt32BE(at + 1)
      if (held.byteLength - at < this.#neededBytes) break
      const value = decodeValue(held.subarray(at + frameBytes, at + this.#neededBytes))
      frames.push({ kind: kinds[held.readUInt8(at)] ?? 'item', value })
      at += this.#neededBytes
    }
    const rest = held.subarray(at)
    this.#pieces = [rest]
    this.#heldBytes = rest.byteLength
    return frames
  }
}

/**
 * Iterates what a follower reads, each item as soon as it is there.
 *
 * @param whyBroken what is thrown where the run behind it ended without an outcome
 * @param signal ends the iterating, and nothing else
 */
export async function* readItems(
  follower: Follower<ItemsHead>,
  whyBroken: () => unknown,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, unknown, undefined> {
  const reader = new FrameReader()
  let returned: unknown
  try {
    for (;;) {
      const step = await unlessAborted(follower.next(), signal)
      switch (step.kind) {
        case 'bytes':
          for (const { kind, value } of reader.read(step.bytes)) {
            if (kind === 'item') yield value
            else returned = value
          }
          break
        case 'end':
          return returned
        case 'broken':
          throw whyBroken()
      }
    }
  } finally {
    follower.close()
  }
}
