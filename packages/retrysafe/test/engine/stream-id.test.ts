import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { createIdentity, storeKey } from '../../src/engine/identity.ts'

const { streamIds: ids } = createIdentity(Buffer.alloc(32, 1))
const key = storeKey('alice', 'default', 'order-42')
const fence = 1_704_067_200_000_123

it('names tenant, record and generation, and gives them back to the tenant alone', () => {
  const id = ids.make('alice', { key, fence })
  // Who has one may come with it to a newer version.
  expect(id).toBe('ARfbczsAvQdWuwLVLX4hIbDyVDgtFWAzt3XuutX61EjIAAYN1xAhIHsqSNwL1YZ-HxydTOAizfI2')
  expect(ids.read('alice', id)).toEqual({ key, fence })
  expect(ids.read('bob', id)).toBeUndefined()
  expect(ids.read('', id)).toBeUndefined()
  expect(ids.make('bob', { key, fence })).not.toBe(id)
  expect(ids.make('alice', { key, fence: fence + 1 })).not.toBe(id)
})

it('is told only by processes with the same scope secret', () => {
  const id = ids.make('alice', { key, fence })
  expect(createIdentity(Buffer.alloc(32, 1)).streamIds.read('alice', id)).toEqual({ key, fence })
  expect(createIdentity(Buffer.alloc(32, 2)).streamIds.read('alice', id)).toBeUndefined()
})

it('carries the largest fence there is', () => {
  const last = { key, fence: Number.MAX_SAFE_INTEGER }
  expect(ids.read('alice', ids.make('alice', last))).toEqual(last)
})

it('is worth nothing with any one bit turned', () => {
  const bytes = Buffer.from(ids.make('alice', { key, fence }), 'base64url')
  expect(bytes.byteLength).toBe(57)
  for (let bit = 0; bit < 57 * 8; bit++) {
    const turned = Buffer.from(bytes)
    turned.writeUInt8(turned.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    expect(ids.read('alice', turned.toString('base64url'))).toBeUndefined()
  }
})

it('takes nothing that is not an id, however long', () => {
  const id = ids.make('alice', { key, fence })
  const other = ['', 'A', id.slice(1), `${id}A`, `${id}=`, `${id}\n`, ` ${id.slice(1)}`, `${id.slice(0, 75)}=`]
  for (const text of [...other, id.repeat(1_000_000), `${id.slice(0, 75)}+`, `${id.slice(0, 75)}é`]) {
    expect(ids.read('alice', text)).toBeUndefined()
  }
  // The alphabet of plain base64 would be a second name of the same stream, and is none.
  const dashed = Array.from({ length: 64 }, (_, at) => ids.make('alice', { key, fence: fence + at })).find(one =>
    /[-_]/.test(one),
  )
  expect(ids.read('alice', dashed ?? '')).toBeDefined()
  expect(ids.read('alice', dashed?.replaceAll('-', '+').replaceAll('_', '/') ?? '')).toBeUndefined()
})

it('is not forged by moving a boundary between tenant and the rest, nor by an HMAC for another use', () => {
  const bytes = Buffer.from(ids.make('alice', { key, fence }), 'base64url')
  const named = bytes.subarray(0, 41)
  const secret = createHmac('sha256', Buffer.alloc(32, 1)).update('retrysafe tenant v1').digest()
  const mac = createHmac('sha256', secret).update('5:alice').update(named).digest().subarray(0, 16)
  expect(ids.read('alice', Buffer.concat([named, mac]).toString('base64url'))).toBeUndefined()
  const tenants = ['alic', 'alice1', '5:alice', 'alice\u0001']
  for (const tenant of tenants) expect(ids.read(tenant, bytes.toString('base64url'))).toBeUndefined()
})
