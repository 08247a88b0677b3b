import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { Token } from '../../../packages/retrysafe/src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { Names } from '../../../packages/retrysafe/src/stores/redis/names.ts'
import { openLink } from '../../../packages/retrysafe/src/stores/redis/open-link.ts'
import { readSettings } from '../../../packages/retrysafe/src/stores/redis/settings.ts'
import { openRedisStore } from '../../../packages/retrysafe/src/stores/redis/store.ts'
import { ManualServerClock } from '../../../packages/retrysafe/test/stores/redis/manual-link.ts'
import { acquireToken, claimTerms, day, keyOf, piece } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { startRedis } from '../../support/redis/server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

const server = await startRedis({ settings: { appendonly: 'no' } })
afterAll(() => server.discard())
const proxy = await startTcpProxy(server)
afterAll(() => proxy.stop())
const clock = new ManualServerClock()
const stores: Store[] = []
afterAll(async () => {
  await Promise.all(stores.map(store => store.close()))
})

/** What one process has of the store; `time` is the server's unless it is given. */
function open(url: string = server.url, time?: ManualServerClock): Store {
  const store = openRedisStore(readSettings({ url, warn: () => {} }), (settings, terms) => {
    const link = openLink(settings, terms)
    return time?.wrap(link) ?? link
  })
  stores.push(store)
  return store
}

const key = keyOf('k')
const mine = open()
const other = open()
const claimMine = (change: Partial<ClaimTerms> = {}): Promise<Token> => acquireToken(mine, change)
const claimOther = (change: Partial<ClaimTerms> = {}): Promise<Token> => acquireToken(other, { owner: 'b', ...change })
const forget = (): Promise<unknown> => server.execute('FLUSHALL')

beforeEach(forget)

/** What the next one who claims is told, and the bytes that it gets. */
async function toldNext(store = other): Promise<unknown> {
  const answer = await store.claim(claimTerms({ owner: 'next' }))
  if (answer.kind !== 'completed') return answer.kind
  if (answer.log.bytes !== undefined) return outcome(answer.log.bytes)
  const read = await store.read(key, answer.fence, 0, answer.log.lengthBytes)
  return read.kind === 'bytes' ? outcome(read.bytes) : read.kind
}

/** A letter for each byte: a text is compared at once. */
const outcome = (whole: string | Uint8Array): string => `outcome: ${Buffer.from(whole).toString('latin1')}`

const bytes = Buffer.from(Array.from({ length: 150_000 }, (_, at) => (at * 7) % 256))

describe('an outcome whose record the server forgot', () => {
  test.each([
    ['in a FLUSHALL', forget],
    [
      'in a restart without an append-only file',
      async () => {
        await server.kill()
        await server.start()
      },
    ],
  ])('%s is put all the same, and served byte for byte', async (_, lose) => {
    const token = await claimMine()
    await mine.append(key, token, { offsetBytes: 0, bytes: bytes.subarray(0, 1_000) })
    await lose()
    expect(await mine.complete(key, token, { offsetBytes: 1_000, bytes: bytes.subarray(1_000) })).toBe('gap')
    expect(await mine.complete(key, token, { offsetBytes: 0, bytes })).toBe('ok')
    expect(await toldNext()).toBe(outcome(bytes))
    expect(await mine.complete(key, token, piece(0, 'again'))).toBe('dup')
    expect(await toldNext()).toBe(outcome(bytes))
    expect(await other.get(key)).toMatchObject({ state: 'completed', fence: token.fence, attempt: 1 })
  })

  test('is served for the retention, to who has the same payload', async () => {
    const token = await claimMine({ retentionMs: 30 * day })
    await forget()
    expect(await mine.complete(key, token, piece(0, 'x'))).toBe('resurrected')
    const view = await other.get(key)
    expect((view?.expiresAtMs ?? 0) - (view?.completedAtMs ?? 0)).toBe(30 * day)
    expect(await other.claim(claimTerms({ owner: 'b', raw: 'raw-2' as ClaimTerms['raw'] }))).toEqual({
      kind: 'mismatch',
    })
    expect(await toldNext()).toBe(outcome('x'))
  })

  // `absent` and `ok`, as RESP has them, are 12 and 8 bytes.
  test.each([
    ['putting it back', 12, 'resurrected'],
    ['completing it', 20, 'dup'],
  ])('is put once when the answer to %s is lost', async (_, toldBytes, told) => {
    const store = open(proxy.through(server.url))
    const token = await acquireToken(store)
    await forget()
    const cut = proxy.cutAfter('server', toldBytes)
    expect(await store.complete(key, token, piece(0, 'x'))).toBe(told)
    await cut
    expect(await toldNext()).toBe(outcome('x'))
  })

  test.each([
    [86_399_999, 'resurrected'],
    [86_400_000, 'lost'],
  ])('%i ms after its claim, with a retention of a day, is %s', async (ms, told) => {
    const store = open(server.url, clock)
    const token = await acquireToken(store)
    await forget()
    clock.pass(ms)
    expect(await store.complete(key, token, piece(0, 'x'))).toBe(told)
  })

  test('is lost as soon as somebody else has claimed', async () => {
    const token = await claimMine()
    await forget()
    const next = await claimOther()
    expect(await mine.complete(key, token, piece(0, 'late'))).toBe('lost')
    expect(await other.complete(key, next, piece(0, 'kept'))).toBe('ok')
    expect(await mine.complete(key, token, piece(0, 'late'))).toBe('lost')
    expect(await toldNext()).toBe(outcome('kept'))
  })

  test('is one: of two forgotten attempts the first comes back, the other is lost', async () => {
    const zombie = await claimMine({ leaseMs: 0 })
    await mine.renew(key, zombie, { leaseMs: 0 })
    await forget()
    const next = await claimOther()
    await forget()
    expect(await mine.complete(key, zombie, piece(0, 'first'))).toBe('resurrected')
    expect(await other.complete(key, next, piece(0, 'second'))).toBe('lost')
    expect(await toldNext()).toBe(outcome('first'))
  })

  test('is lost to a process that never claimed it', async () => {
    const token = await claimMine()
    await forget()
    expect(await other.complete(key, token, piece(0, 'x'))).toBe('lost')
    expect(await toldNext()).toBe('acquired')
  })

  test('is lost after it was acknowledged or released', async () => {
    const completed = await claimMine()
    expect(await mine.complete(key, completed, piece(0, 'x'))).toBe('ok')
    await forget()
    expect(await mine.complete(key, completed, piece(0, 'x'))).toBe('lost')
    const freed = await claimMine({ owner: 'c' })
    expect(await mine.release(key, freed, { end: 'free', cooldownMs: 0 })).toBe('ok')
    expect(await mine.complete(key, freed, piece(0, 'x'))).toBe('lost')
  })
})

describe('a tombstone stands against a complete that arrives late', () => {
  /** When the server drops the record. */
  const endsAtMs = async (): Promise<number> => Number(await server.execute('PEXPIRETIME', new Names('rs').record(key)))
  /** The last instant at which the outcome of an attempt may come back. */
  const until = (token: Token, retentionMs: number): number => Math.floor(token.fence / 1_000) + retentionMs

  test('after the purge of a completed record', async () => {
    const token = await claimMine({ retentionMs: 30 * day })
    // Its own copy arrived, and its answer did not: this process still believes in its attempt.
    expect(await other.complete(key, token, piece(0, 'x'))).toBe('ok')
    expect(await other.purge(key, token.fence, { force: false })).toBe('ok')
    expect(await endsAtMs()).toBeGreaterThanOrEqual(until(token, 30 * day))
    expect(await mine.complete(key, token, piece(0, 'x'))).toBe('lost')
    expect(await toldNext()).toBe('acquired')
  })

  test('after the purge of a running one, for longer than a day', async () => {
    const token = await claimMine({ retentionMs: 30 * day })
    expect(await other.purge(key, token.fence, { force: true })).toBe('ok')
    expect(await endsAtMs()).toBeGreaterThanOrEqual(until(token, 30 * day))
    expect(await mine.complete(key, token, piece(0, 'x'))).toBe('lost')
  })

  test('in the shape of an open record with nothing counted', async () => {
    const token = await claimMine({ retentionMs: 30 * day })
    expect(await other.purge(key, token.fence, { force: true })).toBe('ok')
    const next = await claimOther({ retentionMs: 30 * day })
    expect(await other.release(key, next, { end: 'failed', cooldownMs: 1_000 })).toBe('ok')
    expect(await other.get(key)).toMatchObject({ state: 'open', attempt: 0 })
    expect(await endsAtMs()).toBeGreaterThanOrEqual(until(token, 30 * day))
    expect(await mine.complete(key, token, piece(0, 'x'))).toBe('lost')
  })

  test('in the place of a record that was freed after it', async () => {
    const token = await claimMine({ retentionMs: 30 * day })
    expect(await other.purge(key, token.fence, { force: true })).toBe('ok')
    const next = await claimOther({ retentionMs: 30 * day })
    expect(await other.release(key, next, { end: 'free', cooldownMs: 0 })).toBe('ok')
    expect(await endsAtMs()).toBeGreaterThanOrEqual(until(token, 30 * day))
    expect(await mine.complete(key, token, piece(0, 'x'))).toBe('lost')
  })
})

describe('a running attempt whose record the server forgot', () => {
  test('goes on with its next renewal: everybody else waits for it', async () => {
    const token = await claimMine({ retentionMs: 30 * day, onCrash: 'fail', maxAttempts: 7 })
    await forget()
    expect(await mine.renew(key, token, { leaseMs: 60_000 })).toEqual({ kind: 'ok', cancelled: false, followed: false })
    expect(await other.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', fence: token.fence })
    const view = { state: 'running', attempt: 1, maxAttempts: 7, onCrash: 'fail', sent: true }
    expect(await other.get(key)).toMatchObject(view)
    expect(await mine.complete(key, token, piece(0, 'x'))).toBe('ok')
    expect(await toldNext()).toBe(outcome('x'))
  })

  test('goes on with its next append, which says what is missing before it', async () => {
    const token = await claimMine()
    expect(await mine.append(key, token, piece(0, 'abc'))).toMatchObject({ kind: 'ok', lengthBytes: 3 })
    await forget()
    expect(await mine.append(key, token, piece(3, 'def'))).toEqual({ kind: 'gap', lengthBytes: 0 })
    expect(await mine.append(key, token, piece(0, 'abcdef'))).toMatchObject({ kind: 'ok', lengthBytes: 6 })
    expect(await mine.complete(key, token, piece(6, '!'))).toBe('ok')
    expect(await toldNext()).toBe(outcome('abcdef!'))
  })

  test('is lost to it as soon as somebody else has claimed, or has had it', async () => {
    const token = await claimMine()
    await forget()
    const next = await claimOther()
    expect(await mine.renew(key, token, { leaseMs: 60_000 })).toEqual({ kind: 'lost' })
    expect(await mine.append(key, token, piece(0, 'late'))).toEqual({ kind: 'lost' })
    expect(await other.complete(key, next, piece(0, 'kept'))).toBe('ok')
    expect(await mine.renew(key, token, { leaseMs: 60_000 })).toEqual({ kind: 'lost' })
    expect(await toldNext()).toBe(outcome('kept'))
  })

  test('is lost to a process that never claimed it', async () => {
    const token = await claimMine()
    await forget()
    expect(await other.renew(key, token, { leaseMs: 60_000 })).toEqual({ kind: 'lost' })
    expect(await other.append(key, token, piece(0, 'x'))).toEqual({ kind: 'lost' })
    expect(await toldNext()).toBe('acquired')
  })
})

test('an attempt under `fail` whose record the server forgot, and which broke, is unknown and does not run again', async () => {
  const token = await claimMine({ onCrash: 'fail' })
  await mine.renew(key, token, { leaseMs: 30_000, sent: true })
  await forget()
  expect(await mine.release(key, token, { end: 'broken', cooldownMs: 0 })).toBe('ok')
  expect(await toldNext()).toBe('unknown')
})
