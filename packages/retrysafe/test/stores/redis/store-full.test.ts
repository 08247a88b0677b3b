import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { fillRedis } from '../../../../../test/support/redis/filling.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import type { StoreKey, Token } from '../../../src/engine/record.ts'
import type { ClaimAnswer, Store } from '../../../src/engine/store.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'

const server = await startRedis({ settings: { maxmemory: '8mb' } })
afterAll(() => server.stop())

function newKey(): StoreKey {
  return randomBytes(32).toString('base64url') as StoreKey
}

function claim(store: Store, key: StoreKey): Promise<ClaimAnswer> {
  return store.claim({
    key,
    raw: 'raw'.padEnd(43, 'x') as never,
    owner: randomBytes(16).toString('base64url'),
    leaseMs: 30_000,
    retentionMs: 60_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'http', tenant: 'one' },
  })
}

async function run(store: Store, key: StoreKey): Promise<Token> {
  const answer = await claim(store, key)
  if (answer.kind !== 'acquired') throw new Error(`a new key was ${answer.kind}`)
  return answer.token
}

function piece(offsetBytes: number, text: string): { offsetBytes: number; bytes: Buffer } {
  return { offsetBytes, bytes: Buffer.from(text) }
}

describe.each(['ioredis', 'redis'] as const)('a server that is full, through %s', library => {
  test('begins nothing new, and lets what has begun end', async () => {
    const store = redisStore({ url: server.url, library })
    onTestFinished(() => store.close())
    const [kept, streamed, released, stepped] = [newKey(), newKey(), newKey(), newKey()]
    await store.complete(kept, await run(store, kept), piece(0, 'kept'))
    const token = await run(store, streamed)
    await store.append(streamed, token, piece(0, 'be'))
    const other = await run(store, released)
    const step = await run(store, stepped)
    const terms = { id: 'one', input: 'raw'.padEnd(43, 'x') as never, onCrash: 'rerun', maxAttempts: 3 } as const
    await store.stepStart(stepped, step, terms)

    const free = await fillRedis(server)
    onTestFinished(free)
    const refused = newKey()
    const full = {
      code: 'STORE_FULL',
      message: expect.stringMatching(/^Redis is full .*: raise maxmemory, or shorten/),
    }
    await expect(claim(store, refused)).rejects.toMatchObject(full)
    await expect(store.stepStart(stepped, step, { ...terms, id: 'two' })).rejects.toMatchObject(full)
    expect(await claim(store, kept)).toMatchObject({ kind: 'completed', log: { bytes: Buffer.from('kept') } })
    expect(await claim(store, streamed)).toMatchObject({ kind: 'running' })
    expect(await store.renew(streamed, token, { leaseMs: 30_000, sent: true })).toMatchObject({ kind: 'ok' })
    expect(await store.append(streamed, token, piece(2, 'gin'))).toMatchObject({ kind: 'ok', lengthBytes: 5 })
    const long = 'x'.repeat(300_000)
    expect(await store.complete(streamed, token, piece(5, long))).toBe('ok')
    expect(await claim(store, streamed)).toMatchObject({ kind: 'completed', log: { lengthBytes: 300_005 } })
    expect(await store.stepPut(stepped, step, { id: 'one', value: Buffer.from('1') })).toEqual({ kind: 'ok' })
    expect(await store.release(released, other, { end: 'failed', cooldownMs: 0 })).toBe('ok')
    expect((await store.get(stepped))?.state).toBe('running')
    expect(await store.cancel(stepped, step.fence)).toBe('ok')

    await free()
    expect(await claim(store, refused)).toMatchObject({ kind: 'acquired', attempt: 1 })
    expect(await claim(store, released)).toMatchObject({ kind: 'acquired', attempt: 1 })
  })
})
