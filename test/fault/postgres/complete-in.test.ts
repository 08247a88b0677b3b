import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Token } from '../../../packages/retrysafe/src/engine/record.ts'
import type { Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { postgresStore } from '../../../packages/retrysafe/src/stores/postgres/index.ts'
import { startWallMs } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { acquireToken, claimTerms, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { eventually } from '../../support/eventually.ts'
import { openSchemas } from '../../support/postgres/schemas.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { machineMs } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'

const program = new URL('../programs/store-process.mjs', import.meta.url)
const isolations = ['read committed', 'repeatable read', 'serializable'] as const
/** Lease and grace of whoever is to become a zombie. */
const [leaseMs, graceMs] = [500, 2_000]

const server = await startPostgres()
afterAll(() => server.stop())
const url = await server.createDatabase()
await migrate({ url })
const client = await dial()
await client.query('CREATE TABLE public.effect (key text NOT NULL, who text NOT NULL)')
afterAll(() => client.end())
/** A clock that is moved by hand, for the interleavings; the races have the server's own. */
const schemas = await openSchemas(url, { manualMs: startWallMs })
afterAll(() => schemas.close())
const storeUrl = await schemas.take()
const store = postgresStore({ url: storeUrl, maxConnections: 4, listenUrl: false })
afterAll(() => store.close())

async function dial(): Promise<Client> {
  const own = new Client({ connectionString: url })
  own.on('error', () => {})
  await own.connect()
  return own
}

/** What one snapshot shows of a key: who had an effect, and the outcome, if there is one. */
async function seen(key: string, schema = 'store_1'): Promise<unknown> {
  const { rows } = await client.query(
    `SELECT (SELECT array_agg(e.who ORDER BY e.who) FROM public.effect e WHERE e.key = $1) AS effects,
      (SELECT convert_from(string_agg(l.bytes, '' ORDER BY l.off), 'UTF8') FROM ${schema}.record r
        JOIN ${schema}.log l ON l.day = r.log_day AND l.k = r.k AND l.fence = r.fence
        WHERE r.k = '\\x01'::bytea || convert_to($1, 'UTF8') AND r.state = 'c') AS outcome`,
    [key],
  )
  return rows[0]
}

/** Keys of which one snapshot shows an effect and no outcome, or an outcome and no effect, or more effects than one. */
const torn = `SELECT k, e.n FROM (SELECT convert_from(substr(k, 2), 'UTF8') AS k FROM retrysafe.record WHERE state = 'c') AS r
  FULL JOIN (SELECT key AS k, count(*)::int AS n FROM public.effect GROUP BY key) AS e USING (k)
  WHERE r.k IS NULL OR e.k IS NULL OR e.n > 1`

/** A transaction of its own with an effect in it, still open. */
class Work {
  readonly client: Client
  readonly #key: string
  readonly #who: string

  private constructor(own: Client, key: string, who: string) {
    this.client = own
    this.#key = key
    this.#who = who
  }

  static async begin(key: string, who: string, isolation: string): Promise<Work> {
    const own = await dial()
    await own.query(`BEGIN ISOLATION LEVEL ${isolation}`)
    await own.query('INSERT INTO public.effect (key, who) VALUES ($1, $2)', [key, who])
    return new Work(own, key, who)
  }

  complete(by: Store, token: Token): Promise<void> {
    const bytes = Buffer.from(`outcome of ${this.#who}`)
    if (by.completeIn === undefined) throw new Error('the store is transactional')
    return by.completeIn(this.client, keyOf(this.#key), token, { offsetBytes: 0, bytes })
  }

  async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    await this.client.query(how)
    await this.client.end()
  }
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'done',
    (error: unknown) => Reflect.get(Object(error), 'code'),
  )
}

/** A claim that lapses. */
async function lapsing(key: string): Promise<Token> {
  return acquireToken(store, { key: keyOf(key), owner: 'zombie', leaseMs })
}

/** Somebody who gets the record once it has lapsed. */
async function succeed(key: string): Promise<Token> {
  await schemas.clock.pass(leaseMs + graceMs)
  const terms = claimTerms({ key: keyOf(key), owner: 'successor' })
  // A backend that was ended lets go of the row a little later.
  await eventually(async () => (await store.claim(terms)).kind).toBe('acquired')
  return acquireToken(store, terms)
}

describe.each(isolations)('%s', isolation => {
  let key = ''
  beforeEach(({ task }) => {
    key = `${isolation}: ${task.name}`
  })

  test('overtaken while its transaction is open: the zombie’s effect goes, its successor’s stays', async () => {
    const old = await lapsing(key)
    const work = await Work.begin(key, 'zombie', isolation)
    const token = await succeed(key)
    const next = await Work.begin(key, 'successor', isolation)
    await next.complete(store, token)
    await next.end('COMMIT')
    // Under a snapshot the server itself says that somebody else has changed the record since.
    const told = isolation === 'read committed' ? 'LEASE_LOST' : '40001'
    expect(await codeOf(work.complete(store, old))).toBe(told)
    await work.end('COMMIT')
    expect(await seen(key)).toEqual({ effects: ['successor'], outcome: 'outcome of successor' })
  })

  test('a zombie that completed, and has not committed: nobody overtakes it; nothing shows before', async () => {
    const old = await lapsing(key)
    const work = await Work.begin(key, 'zombie', isolation)
    await work.complete(store, old)
    await schemas.clock.pass(leaseMs + graceMs)
    expect(await store.claim(claimTerms({ key: keyOf(key), owner: 'successor' }))).toMatchObject({ kind: 'running' })
    expect(await seen(key)).toEqual({ effects: null, outcome: null })
    await work.end('COMMIT')
    expect(await store.claim(claimTerms({ key: keyOf(key), owner: 'successor' }))).toMatchObject({ kind: 'completed' })
    expect(await seen(key)).toEqual({ effects: ['zombie'], outcome: 'outcome of zombie' })
  })

  test('a zombie that completed, and is rolled back: as if it had never been', async () => {
    const old = await lapsing(key)
    const work = await Work.begin(key, 'zombie', isolation)
    await work.complete(store, old)
    await work.end('ROLLBACK')
    const token = await succeed(key)
    const next = await Work.begin(key, 'successor', isolation)
    await next.complete(store, token)
    await next.end('COMMIT')
    expect(await seen(key)).toEqual({ effects: ['successor'], outcome: 'outcome of successor' })
  })

  test('a zombie that completed, and whose connection breaks: as if it had never been', async () => {
    const old = await lapsing(key)
    const work = await Work.begin(key, 'zombie', isolation)
    await work.complete(store, old)
    await client.query('SELECT pg_terminate_backend($1)', [Reflect.get(work.client, 'processID')])
    await succeed(key)
    expect(await seen(key)).toEqual({ effects: null, outcome: null })
  })

  test('one token in two transactions at once: one commits', async () => {
    const token = await acquireToken(store, { key: keyOf(key), owner: 'a' })
    const [one, other] = [await Work.begin(key, 'one', isolation), await Work.begin(key, 'other', isolation)]
    await one.complete(store, token)
    const waiting = codeOf(other.complete(store, token))
    await one.end('COMMIT')
    expect(await waiting).toBe(isolation === 'read committed' ? 'LEASE_LOST' : '40001')
    await other.end('COMMIT')
    expect(await seen(key)).toEqual({ effects: ['one'], outcome: 'outcome of one' })
  })

  test('one token in two transactions at once, the first one rolled back: the second commits', async () => {
    const token = await acquireToken(store, { key: keyOf(key), owner: 'a' })
    const [one, other] = [await Work.begin(key, 'one', isolation), await Work.begin(key, 'other', isolation)]
    await one.complete(store, token)
    const waiting = codeOf(other.complete(store, token))
    await one.end('ROLLBACK')
    expect(await waiting).toBe('done')
    await other.end('COMMIT')
    expect(await seen(key)).toEqual({ effects: ['other'], outcome: 'outcome of other' })
  })

  test('the owner’s own complete beside its transaction: one of them', async () => {
    const token = await acquireToken(store, { key: keyOf(key), owner: 'a' })
    const work = await Work.begin(key, 'transaction', isolation)
    expect(await store.complete(keyOf(key), token, { offsetBytes: 0, bytes: Buffer.from('beside') })).toBe('ok')
    expect(await codeOf(work.complete(store, token))).toBe(isolation === 'read committed' ? 'LEASE_LOST' : '40001')
    await work.end('COMMIT')
    expect(await seen(key)).toEqual({ effects: null, outcome: 'beside' })
  })
})

describe('two processes', () => {
  const members: Member[] = []
  beforeAll(async () => {
    await client.query('TRUNCATE public.effect, retrysafe.record')
    for (let count = 0; count < 2; count++) members.push(startMember(program, { url }))
    await Promise.all(members.map(member => member.ask('ready')))
  })
  afterAll(() => killAll(members))

  test('200 races of a zombie against its successor: one effect each, with its outcome and never without', {
    timeout: 120_000,
  }, async () => {
    const [zombie, successor] = members
    if (zombie === undefined || successor === undefined) throw new Error('nobody is there')
    const keys = Array.from({ length: 200 }, (_, at) => `race-${at}`)
    const held = await zombie.ask<{ token: Token }[]>('claimAll', { keys, owner: 'zombie', leaseMs })
    const lapsedMs = machineMs() + leaseMs + graceMs
    const jobs = keys.map((key, at) => ({ key, isolation: isolations[at % 3], pauseMs: Math.random() * 3 }))
    const atMs = lapsedMs + 50
    const zombies = jobs.map((job, at) => ({ ...job, token: held[at]?.token, pauseMs: Math.random() * 3 }))
    const racing = Promise.all([
      zombie.ask<string[]>('actAll', { jobs: zombies, who: 'zombie', atMs }),
      successor.ask<string[]>('actAll', { jobs, who: 'successor', atMs }),
    ])
    let looks = 0
    let isOver = false
    const looking = (async () => {
      for (; !isOver; looks++) expect((await client.query(torn)).rows).toEqual([])
    })()
    const [zombieFates, successorFates] = await racing.finally(() => {
      isOver = true
    })
    await looking

    const { rows } = await client.query('SELECT key, who FROM public.effect')
    const winners = new Map(rows.map(({ key, who }) => [key, who]))
    const wins = (who: string): number => rows.filter(row => row.who === who).length
    console.log(
      `completeIn: 200 races, ${wins('zombie')} to the zombie, ${wins('successor')} to its successor; ` +
        `the zombie was told ${tally(zombieFates)}, its successor ${tally(successorFates)}; ${looks} looks meanwhile`,
    )
    expect(rows).toHaveLength(200)
    expect(winners.size).toBe(200)
    expect((await client.query(torn)).rows).toEqual([])
    for (const [at, key] of keys.entries()) {
      expect(await seen(key, 'retrysafe')).toMatchObject({ outcome: `${key} by ${winners.get(key)}` })
      const committed = [zombieFates[at], successorFates[at]].map(fate => fate === 'committed')
      expect(committed).toEqual([winners.get(key) === 'zombie', winners.get(key) === 'successor'])
    }
    expect(Math.min(wins('zombie'), wins('successor'))).toBeGreaterThan(0)
    expect(looks).toBeGreaterThan(0)
  })
})

function tally(fates: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const fate of fates) counts.set(fate, (counts.get(fate) ?? 0) + 1)
  return [...counts].map(([fate, count]) => `${fate} ${count}`).join(', ')
}
