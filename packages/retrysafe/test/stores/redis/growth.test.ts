import { createHash } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { fieldOf } from '../../../../../test/support/redis/condition.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import type { StoreKey, Token } from '../../../src/engine/record.ts'
import type { Store } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { acquireToken, keyOf } from '../../support/store-terms.ts'

const server = await startRedis()
afterAll(() => server.discard())
const store = redisStore({ url: server.url })
afterAll(() => store.close())

/** As long as a key and a fingerprint are. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

const label = { operation: 'default', tenant: 'tenant00', key: 'order-2026-11-22-000123' }

interface Run {
  readonly key: StoreKey
  readonly token: Token
  readonly canonical: Fingerprint
}

async function begin(number: number): Promise<Run> {
  const key = keyOf(hashOf(`key ${number}`))
  const raw = `1${hashOf(`raw ${number}`)}` as Fingerprint
  const canonical = `1${hashOf(`canonical ${number}`)}` as Fingerprint
  const token = await acquireToken(store, { key, raw, owner: hashOf(`owner ${number}`).slice(0, 22), label })
  return { key, token, canonical }
}

async function complete({ key, token, canonical }: Run, offsetBytes: number, bytes: Uint8Array): Promise<void> {
  expect(await store.complete(key, token, { offsetBytes, bytes, canonical })).toBe('ok')
}

async function usedBytes(): Promise<number> {
  return Number(fieldOf(await server.execute('INFO', 'memory'), 'used_memory'))
}

/** Bytes that a record takes in all, the server's tables of keys and of their ends included; and by itself. */
async function measure(count: number, run: (number: number) => Promise<unknown>): Promise<[all: number, key: number]> {
  // Connections and scripts are there before.
  await run(-1)
  await server.execute('FLUSHALL')
  const before = await usedBytes()
  for (let at = 0; at < count; at += 64) {
    await Promise.all(Array.from({ length: Math.min(64, count - at) }, (_, of) => run(at + of)))
  }
  const after = await usedBytes()
  const own = await server.execute('MEMORY', 'USAGE', `rs:{${hashOf('key 0')}}`)
  return [Math.round((after - before) / count), Number(own)]
}

async function stream(number: number, pieces: number, bytesEach: number): Promise<void> {
  const { canonical, ...run } = await begin(number)
  for (let piece = 0; piece < pieces; piece++) {
    const bytes = Buffer.alloc(bytesEach, 'x')
    const answer = await store.append(run.key, run.token, { offsetBytes: piece * bytesEach, bytes, canonical })
    expect(answer).toMatchObject({ kind: 'ok' })
  }
  await complete({ ...run, canonical }, pieces * bytesEach, Buffer.alloc(0))
}

const kibibyte = Buffer.alloc(1_024, 'x')

const kinds: readonly [name: string, count: number, mostBytes: number, run: (number: number) => Promise<unknown>][] = [
  ['one that runs', 4_096, 450, begin],
  ['one with an answer of 1 KiB', 4_096, 1_500, async number => complete(await begin(number), 0, kibibyte)],
  ['one with a stream of 200 pieces of 120 bytes', 128, 26_000, number => stream(number, 200, 120)],
  ['one with 3 steps of 100 bytes each, and an answer of 1 KiB', 2_048, 2_500, number => runWithSteps(store, number)],
]

async function runWithSteps(steps: Store, number: number): Promise<void> {
  const run = await begin(number)
  for (const id of ['fetch', 'charge', 'send']) {
    const input = run.canonical
    await steps.stepStart(run.key, run.token, { id, input, onCrash: 'rerun', maxAttempts: 3 })
    await steps.stepPut(run.key, run.token, { id, value: Buffer.alloc(100, 'x') })
  }
  await complete(run, 0, kibibyte)
}

test.each(kinds)('the memory of a record: %s', { timeout: 60_000 }, async (name, count, mostBytes, run) => {
  const [all, own] = await measure(count, run)
  console.log(`${name}: ${all} bytes of the server's memory, ${own} by MEMORY USAGE of its key`)
  expect(all).toBeLessThanOrEqual(mostBytes)
  expect(all).toBeGreaterThan(0)
})
