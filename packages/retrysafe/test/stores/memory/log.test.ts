import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { StoreKey, Token } from '../../../src/engine/record.ts'
import type { Store } from '../../../src/engine/store.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime, startWallMs } from '../../support/manual-time.ts'
import { splitAt } from '../../support/split.ts'
import { acquireToken, claimTerms, day, fingerprintOf, keyOf, piece, textOf } from '../../support/store-terms.ts'

let time: ManualTime
let store: Store
beforeEach(() => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
})

const k = keyOf('k')

async function readWhole(key: StoreKey, token: Token, limitBytes = 7): Promise<string> {
  const parts: Uint8Array[] = []
  for (let offset = 0; ; ) {
    const answer = await store.read(key, token.fence, offset, limitBytes)
    if (answer.kind === 'ended') return `ended ${answer.state}`
    expect(answer.bytes.byteLength).toBeLessThanOrEqual(limitBytes)
    if (answer.bytes.byteLength === 0) return textOf(Buffer.concat(parts))
    parts.push(answer.bytes)
    offset += answer.bytes.byteLength
  }
}

describe('append', () => {
  it('adds at the end', async () => {
    const token = await acquireToken(store)
    expect(await store.append(k, token, piece(0, 'ab'))).toEqual({ kind: 'ok', lengthBytes: 2, followed: false })
    expect(await store.append(k, token, piece(2, 'cde'))).toEqual({ kind: 'ok', lengthBytes: 5, followed: false })
    expect(await readWhole(k, token)).toBe('abcde')
  })

  it('knows what it has', async () => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'abcd'))
    expect(await store.append(k, token, piece(0, 'abcd'))).toEqual({ kind: 'dup' })
    expect(await store.append(k, token, piece(1, 'bc'))).toEqual({ kind: 'dup' })
    expect(await store.append(k, token, piece(2, 'cd'))).toEqual({ kind: 'dup' })
    expect(await readWhole(k, token)).toBe('abcd')
  })

  it('refuses a hole and a partial overlap, and says how long the log is', async () => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'abcd'))
    expect(await store.append(k, token, piece(5, 'f'))).toEqual({ kind: 'gap', lengthBytes: 4 })
    expect(await store.append(k, token, piece(2, 'cdef'))).toEqual({ kind: 'gap', lengthBytes: 4 })
    expect(await readWhole(k, token)).toBe('abcd')
  })

  it('tells when somebody follows', async () => {
    const token = await acquireToken(store)
    const subscription = store.subscribe(k, () => {})
    expect(await store.append(k, token, piece(0, 'a'))).toMatchObject({ followed: true })
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ followed: true })
    subscription.close()
    expect(await store.append(k, token, piece(1, 'b'))).toMatchObject({ followed: false })
    expect(await store.renew(k, token, { leaseMs: 30_000 })).toMatchObject({ followed: false })
  })

  it('does not move the lease', async () => {
    const token = await acquireToken(store)
    time.jump(20_000)
    await store.append(k, token, piece(0, 'a'))
    expect((await store.get(k))?.leaseLeftMs).toBe(10_000)
  })

  it('is lost once the record is not running', async () => {
    const token = await acquireToken(store)
    await store.complete(k, token, piece(0, 'a'))
    expect(await store.append(k, token, piece(1, 'b'))).toEqual({ kind: 'lost' })
    expect(await store.append(keyOf('nobody'), token, piece(0, 'b'))).toEqual({ kind: 'lost' })
  })

  it('reads back what was written, in whatever pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 60 }),
        fc.array(fc.nat(60)),
        fc.integer({ min: 1, max: 20 }),
        async (text, cuts, limit) => {
          store = memoryStore({ clock: time.clock })
          const token = await acquireToken(store)
          let offsetBytes = 0
          for (const bytes of splitAt(Buffer.from(text), cuts)) {
            await store.append(k, token, { offsetBytes, bytes })
            offsetBytes += bytes.byteLength
          }
          expect(await readWhole(k, token, limit)).toBe(text)
        },
      ),
    )
  })
})

describe('complete', () => {
  it('seals the log; the retention runs from here', async () => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'abc'))
    time.jump(20_000)
    expect(await store.complete(k, token, piece(3, 'def'))).toBe('ok')
    expect(await readWhole(k, token)).toBe('abcdef')
    expect(await store.read(k, token.fence, 6, 10)).toMatchObject({ kind: 'bytes', lengthBytes: 6, sealed: true })
    expect(await store.get(k)).toMatchObject({
      state: 'completed',
      completedAtMs: startWallMs + 20_000,
      expiresAtMs: startWallMs + 20_000 + day,
      lengthBytes: 6,
    })
  })

  it.each([
    [0, 'head', 'head'],
    [3, 'X', 'abcX'],
    [5, '', 'abcde'],
    [8, 'X', 'abcdefghX'],
  ])('cuts the log to its offset %i', async (offset, text, whole) => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'abcd'))
    await store.append(k, token, piece(4, 'efgh'))
    expect(await store.complete(k, token, piece(offset, text))).toBe('ok')
    expect(await readWhole(k, token)).toBe(whole)
    const answer = await store.claim(claimTerms({ owner: 'b' }))
    expect(answer.kind === 'completed' && textOf(answer.log.bytes)).toBe(whole)
  })

  it('takes an empty log', async () => {
    const token = await acquireToken(store)
    expect(await store.complete(k, token, piece(0, ''))).toBe('ok')
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'completed', log: { lengthBytes: 0 } })
  })

  it('refuses to build on bytes that are not there, and leaves the record running', async () => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'ab'))
    expect(await store.complete(k, token, piece(3, 'd', 'canonical-1'))).toBe('gap')
    expect((await store.get(k))?.state).toBe('running')
    expect(await store.complete(k, token, piece(0, 'head'))).toBe('ok')
  })

  it('answers the second as dup, whatever it says', async () => {
    const token = await acquireToken(store)
    await store.complete(k, token, piece(0, 'first'))
    const view = await store.get(k)
    time.jump(1_000)
    expect(await store.complete(k, token, piece(0, 'first'))).toBe('dup')
    expect(await store.complete(k, token, piece(0, 'second'))).toBe('dup')
    expect(await store.get(k)).toEqual(view)
    expect(await readWhole(k, token, 100)).toBe('first')
  })

  it('heals an unknown record, by the same token only', async () => {
    const token = await acquireToken(store, { onCrash: 'fail' })
    await store.append(k, token, piece(0, 'ab', 'canonical-1'))
    await store.renew(k, token, { leaseMs: 30_000, sent: true })
    time.jump(32_000)
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'unknown' })
    expect(await store.complete(k, { ...token, owner: 'b' }, piece(2, 'c'))).toBe('lost')
    expect(await store.complete(k, token, piece(2, 'c'))).toBe('ok')
    expect(await readWhole(k, token)).toBe('abc')
    expect(await store.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'completed' })
    expect((await store.unknown({ limit: 10 })).records).toEqual([])
    const spelled = claimTerms({ owner: 'b', raw: fingerprintOf('raw-2'), canonical: fingerprintOf('canonical-1') })
    expect(await store.claim(spelled)).toMatchObject({ kind: 'completed' })
  })

  it('is lost for a record that nobody knows', async () => {
    expect(await store.complete(k, { fence: 1, owner: 'a' }, piece(0, 'x'))).toBe('lost')
    expect(await store.get(k)).toBeUndefined()
  })
})

describe('read', () => {
  it('says how a generation ended', async () => {
    expect(await store.read(k, 1, 0, 10)).toEqual({ kind: 'ended', state: 'absent', cooldownMs: 0 })
    const token = await acquireToken(store)
    expect(await store.read(k, token.fence + 1, 0, 10)).toEqual({ kind: 'ended', state: 'running', cooldownMs: 0 })
    await store.release(k, token, { end: 'failed', cooldownMs: 0 })
    expect(await store.read(k, token.fence, 0, 10)).toEqual({ kind: 'ended', state: 'open', cooldownMs: 0 })
  })

  it('gives nothing past the end', async () => {
    const token = await acquireToken(store)
    await store.append(k, token, piece(0, 'abc'))
    expect(await store.read(k, token.fence, 3, 10)).toMatchObject({ kind: 'bytes', lengthBytes: 3, sealed: false })
    expect(await store.read(k, token.fence, 99, 10)).toMatchObject({ bytes: new Uint8Array(0) })
  })
})
