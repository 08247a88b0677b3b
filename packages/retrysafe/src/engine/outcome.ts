/** The head of an HTTP answer as it is kept: what a retry gets before the body. */
export interface HttpHead {
  readonly kind: 'http'
  /** 100 to 599. */
  readonly status: number
  /** Names and values in turn, as they came; only those that may be replayed. */
  readonly headers: readonly string[]
  /** False when the body was too large to keep: it ran, and retries are told so. */
  readonly kept: boolean
}

export type OutcomeHead = HttpHead

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
  const bytes = Buffer.from(log.buffer, log.byteOffset, log.byteLength)
  const bodyOffsetBytes = prefixBytes + bytes.readUInt32BE()
  if (bytes.byteLength < bodyOffsetBytes) return undefined
  return { head: JSON.parse(bytes.toString('utf8', prefixBytes, bodyOffsetBytes)) as OutcomeHead, bodyOffsetBytes }
}
