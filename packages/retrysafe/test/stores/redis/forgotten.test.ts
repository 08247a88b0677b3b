import assert from 'node:assert/strict'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'

const server = await startRedis()
afterAll(() => server.stop())
const key = 'A'.repeat(43) as StoreKey
const open = (): Store => redisStore({ url: server.url, warn: () => {} })
const ours = open()
const others = open()
afterAll(() => Promise.all([ours.close(), others.close()]))

function terms(owner: string, more: Partial<ClaimTerms> = {}): ClaimTerms {
  return {
    key,
    raw: `1${'r'.repeat(43)}` as Fingerprint,
    owner: owner.repeat(22),
    leaseMs: 30_000,
    retentionMs: 60_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'chat', tenant: 'T' },
    ...more,
  }
}

async function take(store: Store, owner: string, more: Partial<ClaimTerms> = {}) {
  const answer = await store.claim(terms(owner, more))
  assert.ok(answer.kind === 'acquired', answer.kind)
  return answer.token
}

const forget = () => server.execute('FLUSHALL')
const text = (bytes: string) => Buffer.from(bytes)

describe('a record that the server has forgotten', () => {
  beforeEach(forget)

  it('is kept by the next renewal of its owner: the call that is paid for goes on', async () => {
    const token = await take(ours, 'a')
    await forget()
    expect(await ours.renew(key, token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok' })
    expect(await others.claim(terms('b'))).toMatchObject({ kind: 'running', fence: token.fence })
    expect(await ours.complete(key, token, { offsetBytes: 0, bytes: text('it ran') })).toBe('ok')
    expect(await others.claim(terms('b'))).toMatchObject({ kind: 'completed', log: { bytes: text('it ran') } })
  })

  it('comes back without the bytes that it had: an append says so', async () => {
    const token = await take(ours, 'a')
    await ours.append(key, token, { offsetBytes: 0, bytes: text('first') })
    await forget()
    expect(await ours.append(key, token, { offsetBytes: 5, bytes: text(' second') })).toEqual({
      kind: 'gap',
      lengthBytes: 0,
    })
    expect(await ours.complete(key, token, { offsetBytes: 5, bytes: text(' second') })).toBe('gap')
    expect(await ours.complete(key, token, { offsetBytes: 0, bytes: text('not kept') })).toBe('ok')
  })

  it('comes back with its outcome', async () => {
    const token = await take(ours, 'a', { onCrash: 'fail' })
    await forget()
    expect(await ours.complete(key, token, { offsetBytes: 0, bytes: text('it ran') })).toBe('resurrected')
    expect(await others.get(key)).toMatchObject({ state: 'completed', fence: token.fence, attempt: 1, onCrash: 'fail' })
  })

  it('does not come back where somebody else runs: neither by a renewal nor by an append or an outcome', async () => {
    const token = await take(ours, 'a')
    await forget()
    const next = await take(others, 'b')
    expect(await ours.renew(key, token, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
    expect(await ours.append(key, token, { offsetBytes: 0, bytes: text('x') })).toEqual({ kind: 'lost' })
    expect(await ours.complete(key, token, { offsetBytes: 0, bytes: text('x') })).toBe('lost')
    expect(await others.complete(key, next, { offsetBytes: 0, bytes: text('theirs') })).toBe('ok')
  })

  it('does not come back after its attempt was released, or when another process writes with its token', async () => {
    const token = await take(ours, 'a')
    expect(await others.renew(key, token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok' })
    await forget()
    expect(await others.renew(key, token, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
    expect(await ours.release(key, token, { end: 'free', cooldownMs: 0 })).toBe('ok')
    expect(await ours.renew(key, token, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
    expect(await ours.complete(key, token, { offsetBytes: 0, bytes: text('x') })).toBe('lost')
    expect(await others.get(key)).toBeUndefined()
  })

  it('does not come back once it would be over', async () => {
    const token = await take(ours, 'a', { leaseMs: 100, retentionMs: 1_000 })
    const claimedAt = await ours.now()
    await forget()
    while ((await ours.now()) <= claimedAt + 1_000) await new Promise(resolve => setTimeout(resolve, 50))
    expect(await ours.renew(key, token, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
    expect(await ours.complete(key, token, { offsetBytes: 0, bytes: text('late') })).toBe('lost')
    expect(await others.get(key)).toBeUndefined()
  })
})
