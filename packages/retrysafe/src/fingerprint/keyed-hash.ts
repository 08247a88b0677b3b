import { createHmac, hash } from 'node:crypto'

const blockBytes = 64
const digestBytes = 32
/** Up to here a message is copied behind the key's block; copying more would cost more than it saves. */
const scratchBytes = 65_536

/**
 * HMAC-SHA-256 with one key, for many short messages. Made of two one-shot hashes: a native Hmac object for each
 * message costs several times the hashing itself, most of it in the garbage collector.
 *
 * @see RFC 2104
 * @example
 * createKeyedHash(randomBytes(32)).digest('tenant ', Buffer.from('acme')) // 43 base64url characters
 */
export interface KeyedHash {
  /** HMAC over the text's UTF-8 bytes and the bytes behind it, base64url. */
  digest(text: string, bytes?: Uint8Array): string
}

/** @param key at most 64 bytes */
export function createKeyedHash(key: Uint8Array): KeyedHash {
  const inner = Buffer.alloc(blockBytes + scratchBytes, 0x36)
  const outer = Buffer.alloc(blockBytes + digestBytes, 0x5c)
  for (const [at, byte] of key.entries()) {
    inner[at] = byte ^ 0x36
    outer[at] = byte ^ 0x5c
  }
  return {
    digest(text, bytes) {
      // A character takes at most 3 bytes.
      if (text.length * 3 + (bytes?.byteLength ?? 0) > scratchBytes) {
        const hmac = createHmac('sha256', key).update(text)
        return (bytes === undefined ? hmac : hmac.update(bytes)).digest('base64url')
      }
      let end = blockBytes + inner.write(text, blockBytes)
      if (bytes !== undefined) {
        inner.set(bytes, end)
        end += bytes.byteLength
      }
      // As a string of bytes: to make a Buffer of it took longer than the second hash.
      outer.write(hash('sha256', inner.subarray(0, end), 'binary'), blockBytes, 'binary')
      return hash('sha256', outer, 'base64url')
    },
  }
}
