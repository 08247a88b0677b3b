/** The head of an HTTP answer as it is kept: what a retry gets before the body. */
export interface HttpHead {
  readonly kind: 'http'
  /** 100 to 599. */
  readonly status: number
  /** Names and values in turn, as they came; only those that may be replayed. */
  readonly headers: readonly string[]
}

/**
 * It ran, and its answer was too large to keep. Shorter than any other head: a reader that stood behind the old head
 * finds the log shorter than its place, and never takes a byte of this for the body.
 */
export interface NotKeptHead {
  readonly kind: 'not kept'
}

export type OutcomeHead = HttpHead | NotKeptHead

const prefixBytes = 4

/** A log begins with its head: its length in 4 bytes, big endian, then JSON; the body follows. */
export function encodeHead(head: OutcomeHead): Uint8Array {
  const text = JSON.stringify(head)
  const length = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(prefixBytes + length)
  bytes.writeUInt32BE(length)
  bytes.write(text, prefixBytes)
  return bytes
}

/** @returns the head and where the body begins, or `undefined` while the head is not whole */
export function decodeHead(log: Uint8Array): { head: OutcomeHead; bodyOffsetBytes: number } | undefined {
  if (log.byteLength < prefixBytes) return undefined
  const bytes = Buffer.isBuffer(log) ? log : Buffer.from(log.buffer, log.byteOffset, log.byteLength)
  const bodyOffsetBytes = prefixBytes + bytes.readUInt32BE()
  if (bytes.byteLength < bodyOffsetBytes) return undefined
  return { head: JSON.parse(bytes.toString('utf8', prefixBytes, bodyOffsetBytes)) as OutcomeHead, bodyOffsetBytes }
}
