/** The head of an HTTP answer as it is kept: what a retry gets before the body. */
export interface HttpHead {
  readonly kind: 'http'
  /** 100 to 599. */
  readonly status: number
  /** Names and values in turn, as they came; only those that may be replayed. */
  readonly headers: readonly string[]
}

/** What a function returned, as `encodeValue` writes it. */
export interface ValueHead {
  readonly kind: 'returned value'
}

/** What an async iterable yielded, as `ItemFrames` writes it. */
export interface ItemsHead {
  readonly kind: 'yielded items'
}

/** The head of an outcome that is there. */
export type KeptHead = HttpHead | ValueHead | ItemsHead

/**
 * It ran, and its answer was too large to keep. Shorter than any other head: a reader that stood behind the old head
 * finds the log shorter than its place, and never takes a byte of this for the body.
 */
export interface NotKeptHead {
  readonly kind: 'not kept'
}

export type OutcomeHead<Head extends KeptHead = KeptHead> = Head | NotKeptHead

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

/**
 * `Head` is what calls of this sort record: HTTP answers, or what functions give. No call finds an outcome of another
 * sort: the store key and the fingerprint tell them apart.
 *
 * @returns the head and where the body begins, or `undefined` while the head is not whole
 */
export function decodeHead<Head extends KeptHead>(
  log: Uint8Array,
): { head: OutcomeHead<Head>; bodyOffsetBytes: number } | undefined {
  if (log.byteLength < prefixBytes) return undefined
  const bytes = Buffer.isBuffer(log) ? log : Buffer.from(log.buffer, log.byteOffset, log.byteLength)
  const bodyOffsetBytes = prefixBytes + bytes.readUInt32BE()
  if (bytes.byteLength < bodyOffsetBytes) return undefined
  return {
    head: JSON.parse(bytes.toString('utf8', prefixBytes, bodyOffsetBytes)) as OutcomeHead<Head>,
    bodyOffsetBytes,
  }
}
