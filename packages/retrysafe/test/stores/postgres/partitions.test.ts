import { Client } from 'pg'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import { openSchemas } from '../../../../../test/support/postgres/schemas.ts'
import type { StoreKey, Token } from '../../../src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { postgresStore } from '../../../src/stores/postgres/index.ts'
import { startWallMs } from '../../support/manual-time.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
const url = await provideDatabase()
// 2024-01-01T00:00:00Z
const schemas = await openSchemas(url, { manualMs: startWallMs })
afterAll(() => schemas.close())
let storeUrl: string
let schema: string

beforeEach(async () => {
  storeUrl = await schemas.take()
  schema = new URL(storeUrl).searchParams.get('schema') ?? ''
  await schemas.clock.setMs(startWallMs)
})

async function withStore<Value>(body: (store: Store) => Promise<Value>): Promise<Value> {
  const store = postgresStore({ url: storeUrl })
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

/** A gateway that was just started looks at the partitions at once. */
const maintain = () => withStore(store => store.sweep(1_000))

function terms(key: string, change: Partial<ClaimTerms> = {}): ClaimTerms {
  return {
    key: key as StoreKey,
    raw: `1${'a'.repeat(43)}` as Fingerprint,
    owner: 'owner',
    leaseMs: 30_000,
    retentionMs: dayMs,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'test', tenant: 'tenant00' },
    ...change,
  }
}

async function begin(store: Store, key: string, change: Partial<ClaimTerms> = {}): Promise<Token> {
  const answer = await store.claim(terms(key, change))
  if (answer.kind !== 'acquired') throw new Error(answer.kind)
  return answer.token
}

async function complete(key: string, text: string, change: Partial<ClaimTerms> = {}): Promise<void> {
  await withStore(async store => {
    const token = await begin(store, key, change)
    expect(await store.complete(key as StoreKey, token, { offsetBytes: 0, bytes: Buffer.from(text) })).toBe('ok')
  })
}

/** What a retry gets: the text, or the kind of answer. */
async function retry(key: string): Promise<string> {
  return withStore(async store => {
    const answer = await store.claim(terms(key, { owner: 'another' }))
    return answer.kind === 'completed' ? Buffer.from(answer.log.bytes ?? []).toString() : answer.kind
  })
}

async function partitions(): Promise<string[]> {
  const { rows } = await schemas.pool.query(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = '${schema}.log'::regclass AND c.relname < 'log_2025' ORDER BY 1`,
  )
  return rows.map(({ name }) => name)
}

/** Pieces of each partition that has any. */
async function pieces(): Promise<Record<string, number>> {
  const { rows } = await schemas.pool.query(
    `SELECT tableoid::regclass::text AS place, count(*)::int AS count FROM ${schema}.log GROUP BY 1 ORDER BY 1`,
  )
  return Object.fromEntries(rows.map(({ place, count }) => [String(place).split('.').at(-1), count]))
}

it('makes the days ahead that a retention needs', async () => {
  await withStore(async store => {
    await store.sweep(10)
    expect(await partitions()).toEqual([
      'log_20240101',
      'log_20240102',
      'log_20240103',
      'log_20240104',
      'log_20240105',
      'log_20240106',
    ])
    await begin(store, 'k', { retentionMs: 30 * dayMs })
    await store.sweep(10)
  })
  const made = await partitions()
  expect(made).toHaveLength(35)
  expect(made.at(-1)).toBe('log_20240204')
})

it('strands no byte: what came before its day was made moves there', async () => {
  await maintain()
  await complete('early', 'bytes of a day that is not there', { retentionMs: 20 * dayMs })
  expect(await pieces()).toEqual({ log_default: 1 })
  expect(await retry('early')).toBe('bytes of a day that is not there')
  await withStore(async store => {
    await begin(store, 'another', { retentionMs: 20 * dayMs })
    await store.sweep(10)
  })
  expect(await pieces()).toEqual({ log_20240123: 1 })
  expect(await retry('early')).toBe('bytes of a day that is not there')
})

it('drops whole days, and none that a record still needs', async () => {
  await maintain()
  await complete('short', 'one day')
  await complete('long', 'three days', { retentionMs: 3 * dayMs })
  for (let day = 1; day <= 8; day++) {
    await schemas.clock.setMs(startWallMs + day * dayMs - 1)
    await maintain()
    expect([day, await retry('short')]).toEqual([day, day === 1 ? 'one day' : expect.not.stringContaining('one')])
    expect([day, (await retry('long')) === 'three days']).toEqual([day, day <= 3])
  }
  await schemas.clock.setMs(startWallMs + 8 * dayMs)
  await maintain()
  expect(await pieces()).toEqual({})
  expect((await partitions())[0]).toBe('log_20240109')
})

it('moves the bytes of a run that outlives its day, while it is renewed and as it completes', async () => {
  await maintain()
  await withStore(async store => {
    const token = await begin(store, 'slow', { leaseMs: hourMs })
    const piece = (offsetBytes: number, text: string) => ({ offsetBytes, bytes: Buffer.from(text) })
    await store.append('slow' as StoreKey, token, piece(0, 'be'))
    expect(await pieces()).toEqual({ log_20240104: 1 })
    for (let hour = 12; hour <= 96; hour += 12) {
      await schemas.clock.setMs(startWallMs + hour * hourMs)
      expect((await store.renew('slow' as StoreKey, token, { leaseMs: hourMs })).kind).toBe('ok')
      await maintain()
    }
    expect(await pieces()).toEqual({ log_20240107: 1 })
    await store.append('slow' as StoreKey, token, piece(2, 'gun'))
    await schemas.clock.setMs(startWallMs + 7 * dayMs)
    await maintain()
    expect(await store.complete('slow' as StoreKey, token, piece(5, ', done'))).toBe('lost')
  })
})

it('keeps the bytes of a late completion for its whole retention', async () => {
  await withStore(async store => {
    const token = await begin(store, 'late', { leaseMs: hourMs, retentionMs: 10 * dayMs })
    await store.append('late' as StoreKey, token, { offsetBytes: 0, bytes: Buffer.from('late ') })
    // Lapsed for days, and taken over by nobody.
    await schemas.clock.setMs(startWallMs + 5 * dayMs)
    await maintain()
    expect(await store.complete('late' as StoreKey, token, { offsetBytes: 5, bytes: Buffer.from('bytes') })).toBe('ok')
  })
  for (const day of [6, 10, 14]) {
    await schemas.clock.setMs(startWallMs + (day + 1) * dayMs - 1)
    await maintain()
    expect([day, await retry('late')]).toEqual([day, 'late bytes'])
  }
  await schemas.clock.setMs(startWallMs + 15 * dayMs)
  expect(await retry('late')).toBe('acquired')
})

it('keeps the bytes of an unknown run as long as it may be healed', async () => {
  await withStore(async store => {
    const change = { leaseMs: 30_000, retentionMs: 20 * dayMs, onCrash: 'fail', maxAttempts: 1 } as const
    const token = await begin(store, 'unknown', change)
    await store.append('unknown' as StoreKey, token, { offsetBytes: 0, bytes: Buffer.from('healed ') })
    await schemas.clock.setMs(startWallMs + 15 * dayMs)
    expect(await retry('unknown')).toBe('unknown')
    await schemas.clock.setMs(startWallMs + 30 * dayMs)
    await maintain()
    const last = { offsetBytes: 7, bytes: Buffer.from('late') }
    expect(await store.complete('unknown' as StoreKey, token, last)).toBe('ok')
    await maintain()
  })
  expect(await retry('unknown')).toBe('healed late')
})

it('does not hold others up when a transaction has the log: it comes back', async () => {
  await maintain()
  await complete('held', 'bytes')
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('BEGIN')
  await client.query(`SELECT count(*) FROM ${schema}.log`)
  await schemas.clock.setMs(startWallMs + 9 * dayMs)
  const startedMs = performance.now()
  await maintain()
  expect(performance.now() - startedMs).toBeLessThan(2_000)
  expect(await partitions()).toContain('log_20240101')
  await client.query('COMMIT')
  await client.end()
  await maintain()
  expect((await partitions())[0]).toBe('log_20240110')
})

it('leaves only one to do it, and the others do not wait', async () => {
  await Promise.all(Array.from({ length: 8 }, maintain))
  expect(await partitions()).toHaveLength(6)
})

it('reads whole logs while their bytes move', async () => {
  await maintain()
  const text = 'x'.repeat(1_000)
  const keys = Array.from({ length: 40 }, (_, at) => `moving-${at}`)
  for (const key of keys) await complete(key, text, { retentionMs: 25 * dayMs })
  expect(await pieces()).toEqual({ log_default: 40 })
  let isMoved = false
  let reads = 0
  const moving = withStore(async store => {
    await begin(store, 'last', { retentionMs: 25 * dayMs })
    await store.sweep(10)
    isMoved = true
  })
  await withStore(async store => {
    while (!isMoved || reads < 200) {
      const key = keys[reads++ % keys.length] ?? ''
      const answer = await store.claim(terms(key, { owner: 'reader' }))
      if (answer.kind !== 'completed') throw new Error(answer.kind)
      const bytes = answer.log.bytes ?? (await readAll(store, key, answer.fence))
      expect(Buffer.from(bytes).toString()).toBe(text)
    }
  })
  await moving
  expect(await pieces()).toEqual({ log_20240128: 40 })
})

async function readAll(store: Store, key: string, fence: number): Promise<Uint8Array> {
  const answer = await store.read(key as StoreKey, fence, 0, 65_536)
  return answer.kind === 'bytes' ? answer.bytes : Buffer.from(answer.state)
}

describe('under load', () => {
  /** Calls go on, and replays, while `body` runs; answers what went wrong. */
  async function underLoad(body: () => Promise<unknown>): Promise<string[]> {
    const failures: string[] = []
    let isOver = false
    const replays = async (key: string) => {
      while (!isOver) await retry(key).catch((error: Error) => failures.push(error.message))
    }
    const calls = async (caller: number, store: Store) => {
      for (let count = 0; !isOver; count++) {
        const key = `call-${caller}-${count}`
        const token = await begin(store, key)
        const piece = { offsetBytes: 0, bytes: Buffer.alloc(1_000) }
        await store.complete(key as StoreKey, token, piece).catch((error: Error) => failures.push(error.message))
      }
    }
    await withStore(async store => {
      const load = [...Array.from({ length: 16 }, (_, at) => calls(at, store)), ...['a', 'b', 'c'].map(replays)]
      await body().finally(() => {
        isOver = true
      })
      await Promise.all(load)
    })
    return failures
  }

  it('a day is made and one is dropped, in the first attempt, and no call fails', async () => {
    await maintain()
    for (const key of ['a', 'b', 'c']) await complete(key, 'bytes', { retentionMs: 3 * dayMs })
    for (const days of [1, 2, 9]) {
      await schemas.clock.setMs(startWallMs + days * dayMs)
      expect(await underLoad(maintain)).toEqual([])
      expect((await partitions()).slice(0, 2)).toEqual(
        [days, days + 1].map(day => `log_202401${String(day + 1).padStart(2, '0')}`),
      )
    }
    expect(Object.keys(await pieces())).not.toContain('log_default')
  })
})

it('leaves in the default partition what would take too long to move, until its day is over', async () => {
  const day = "date '2024-01-03'"
  await schemas.pool.query(
    `INSERT INTO ${schema}.log SELECT ${day}, int4send(g), 1, 0, 'x' FROM generate_series(1, 2001) AS g`,
  )
  await maintain()
  expect(await pieces()).toEqual({ log_default: 2_001 })
  expect(await partitions()).not.toContain('log_20240103')
  await schemas.clock.setMs(startWallMs + 3 * dayMs)
  await maintain()
  expect(await pieces()).toEqual({})
})
