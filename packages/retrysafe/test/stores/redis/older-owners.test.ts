import { afterAll, beforeEach, expect, it } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import type { Store } from '../../../src/engine/store.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { acquire, acquireToken, claimTerms, day, fingerprintOf, keyOf, piece } from '../../support/store-terms.ts'

const server = await startRedis()
afterAll(() => server.discard())
const open = (): Store => redisStore({ url: server.url, warn: () => {} })
const ours = open()
const others = open()
afterAll(() => Promise.all([ours.close(), others.close()]))
const key = keyOf('k')
const forget = (): Promise<unknown> => server.execute('FLUSHALL')
beforeEach(forget)

it('is lost also after a shorter-lived outcome of somebody else has expired', async () => {
  const old = await acquireToken(ours, { retentionMs: 30 * day })
  await others.purge(key, old.fence, { force: true })
  const next = await acquireToken(others, { owner: 'b', retentionMs: 1_000 })
  expect(await others.complete(key, next, piece(0, 'second'))).toBe('ok')
  await eventually(() => others.get(key)).toBeUndefined()
  expect(await ours.renew(key, old, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
  expect(await ours.complete(key, old, piece(0, 'first'))).toBe('lost')
  expect(await others.claim(claimTerms({ owner: 'c' }))).toMatchObject({ kind: 'acquired', attempt: 1 })
})

it('does not bring back with a renewal what its release removes, however long both are on their way', async () => {
  const token = await acquireToken(ours, { onCrash: 'fail' })
  server.pause()
  const released = ours.release(key, token, { end: 'free', cooldownMs: 0 })
  const renewed = ours.renew(key, token, { leaseMs: 30_000 })
  server.resume()
  expect(await Promise.all([released, renewed])).toEqual(['ok', { kind: 'lost' }])
  expect(await others.get(key)).toBeUndefined()
})

it('comes back under the policy of its record, not of the call that took it over', async () => {
  const first = await acquireToken(others, { onCrash: 'fail' })
  // One that a takeover finds lapsed at once, and takes as the same payload.
  await others.renew(key, first, { leaseMs: 0 })
  await eventually(async () => (await ours.claim(claimTerms({ owner: 'b', onCrash: 'rerun' }))).kind).toBe('acquired')
  const second = await acquire(ours, { owner: 'b', onCrash: 'rerun' })
  expect(second).toMatchObject({ onCrash: 'fail', attempt: 2 })
  await forget()
  expect(await ours.renew(key, second.token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok' })
  expect(await others.get(key)).toMatchObject({ onCrash: 'fail', attempt: 2 })
})

it.each(['renewal', 'append'])('comes back with the canonical fingerprint that it told by a %s', async way => {
  const token = await acquireToken(ours)
  const canonical = fingerprintOf('same')
  if (way === 'renewal') await ours.renew(key, token, { leaseMs: 30_000, canonical })
  else await ours.append(key, token, piece(0, 'x', 'same'))
  await forget()
  expect(await ours.renew(key, token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok' })
  const twin = claimTerms({ owner: 'b', raw: fingerprintOf('raw-2'), canonical })
  expect(await others.claim(twin)).toMatchObject({ kind: 'running', fence: token.fence })
})
