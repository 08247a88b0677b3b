import { createHmac, timingSafeEqual } from 'node:crypto'
import type { StoreKey } from './record.ts'

/** One run of one record: another run has another fence. */
export interface Generation {
  readonly key: StoreKey
  readonly fence: number
}

/** Makes and checks the ids by which a broken stream is asked for again. */
export interface StreamIds {
  /** Names a generation to the clients of its tenant: 76 base64url characters, the same each time. */
  make(tenant: string, generation: Generation): string
  /** @returns `undefined` for everything that was not made for this tenant */
  read(tenant: string, id: string): Generation | undefined
}

const version = 1
const keyBytes = 32
const fenceAt = 1 + keyBytes
const macAt = fenceAt + 8
/** Half of the hash, the least that RFC 2104 §5 allows. All in all 57 bytes: base64url has no bits to spare there. */
const macBytes = 16
const idForm = /^[\w-]{76}$/

/**
 * An id is a version byte, the store key, the fence (8 bytes, big endian), and an HMAC over these and the tenant.
 *
 * @param secret for this use alone
 * @example
 * const ids = createStreamIds(randomBytes(32))
 * ids.read('alice', ids.make('alice', generation)) // generation
 * ids.read('bob', ids.make('alice', generation)) // undefined
 */
export function createStreamIds(secret: Uint8Array): StreamIds {
  const sign = (tenant: string, named: Uint8Array): Buffer =>
    createHmac('sha256', secret).update(`${tenant.length}:${tenant}`).update(named).digest().subarray(0, macBytes)
  return {
    make(tenant, { key, fence }) {
      const bytes = Buffer.alloc(macAt + macBytes)
      bytes.writeUInt8(version)
      bytes.write(key, 1, keyBytes, 'base64url')
      bytes.writeBigUInt64BE(BigInt(fence), fenceAt)
      sign(tenant, bytes.subarray(0, macAt)).copy(bytes, macAt)
      return bytes.toString('base64url')
    },
    read(tenant, id) {
      if (!idForm.test(id)) return undefined
      const bytes = Buffer.from(id, 'base64url')
      if (!timingSafeEqual(sign(tenant, bytes.subarray(0, macAt)), bytes.subarray(macAt))) return undefined
      if (bytes.readUInt8() !== version) return undefined
      const key = bytes.toString('base64url', 1, fenceAt) as StoreKey
      return { key, fence: Number(bytes.readBigUInt64BE(fenceAt)) }
    },
  }
}
