/** What a UUID is made of. */
export interface UuidParts {
  /** Milliseconds since the epoch. */
  readonly wallMs: () => number
  /** Cryptographically strong. */
  readonly bytes: (length: number) => Uint8Array
}

/**
 * Makes a maker of UUIDv7. Those of one maker sort in the order in which they were made, also when its clock is set
 * back. Of the web platform alone, for every runtime.
 *
 * @see RFC 9562 §5.7, §6.2 (method 1: a counter of 12 bits behind the milliseconds)
 * @example
 * const uuid = uuidMaker({ wallMs: Date.now, bytes: length => crypto.getRandomValues(new Uint8Array(length)) })
 * uuid() // '019a1c5e-6f2b-7c41-9d3e-2f8a54b7e610'
 */
export function uuidMaker({ wallMs, bytes }: UuidParts): () => string {
  let lastMs = 0
  let count = 0
  return () => {
    const drawn = bytes(10)
    const nowMs = wallMs()
    if (nowMs > lastMs) {
      lastMs = nowMs
      // Half of the counter's room is left to count in.
      count = (at(drawn, 8) & 0x07) * 256 + at(drawn, 9)
    } else if (++count > 0xfff) {
      lastMs++
      count = 0
    }
    const time = digits(lastMs, 12)
    const variant = digits(0x80 | (at(drawn, 0) & 0x3f), 2) + digits(at(drawn, 1), 2)
    const rest = Array.from(drawn.subarray(2, 8), byte => digits(byte, 2)).join('')
    return `${time.slice(0, 8)}-${time.slice(8)}-7${digits(count, 3)}-${variant}-${rest}`
  }
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}

function digits(value: number, length: number): string {
  return value.toString(16).padStart(length, '0')
}
