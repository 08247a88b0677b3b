import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { postgresStore } from '../../../packages/retrysafe/src/stores/postgres/index.ts'
import { claimTerms, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { eventually } from '../../support/eventually.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

const timeoutMs = 400
/** Getting a connection may take so long, and then the statement. */
const withinMs = 2 * timeoutMs
/** For a busy machine. */
const slackMs = 400
const maxConnections = 3

const server = await startPostgres()
afterAll(() => server.stop())
const url = await server.createDatabase()
await migrate({ url })
const proxy = await startTcpProxy(server)
afterAll(() => proxy.stop())
const client = new Client({ connectionString: url })
await client.connect()
afterAll(() => client.end())

let store: Store
beforeEach(() => {
  store = postgresStore({ url: proxy.through(url), maxConnections, timeoutMs, listenUrl: false })
})
afterEach(async () => {
  proxy.resume()
  await store.close()
  await eventually(connections).toBe(0)
})

async function connections(): Promise<number> {
  const text = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'retrysafe'`
  return (await client.query<{ n: number }>(text)).rows[0]?.n ?? 0
}

/** As many connections as it may have, all idle. */
async function warmUp(): Promise<void> {
  await Promise.all(Array.from({ length: maxConnections }, () => store.now()))
  await eventually(connections).toBe(maxConnections)
}

/** What became of a step, and after how long. */
async function fate(step: Promise<unknown>): Promise<{ code: unknown; tookMs: number }> {
  const startMs = performance.now()
  const code = await step.then(
    () => 'answered',
    (error: unknown) => Reflect.get(Object(error), 'code'),
  )
  return { code, tookMs: performance.now() - startMs }
}

function claim(name: string) {
  return store.claim(claimTerms({ key: keyOf(name), owner: `owner of ${name}` }))
}

test('a line that falls silent: every step ends in STORE_UNAVAILABLE in time, and the store works again after it', async () => {
  await warmUp()
  proxy.stall()
  const steps: Promise<{ code: unknown; tookMs: number }>[] = []
  // Those that come later wait for the connections of those before them.
  for (let wave = 0; wave < 4; wave++) {
    for (let at = 0; at < 5; at++) steps.push(fate(store.get(keyOf(`silent-${wave}-${at}`))))
    steps.push(fate(claim(`silent-${wave}`)))
    await pause(timeoutMs / 4)
  }
  const fates = await Promise.all(steps)
  const longestMs = Math.max(...fates.map(({ tookMs }) => tookMs))
  console.log(
    `stall: ${fates.length} steps with a time-out of ${timeoutMs} ms, the longest took ${longestMs.toFixed(0)} ms`,
  )
  expect(fates.map(({ code }) => code)).toEqual(Array.from({ length: 24 }, () => 'STORE_UNAVAILABLE'))
  expect(longestMs).toBeLessThan(withinMs + slackMs)
  proxy.resume()
  expect(await claim('after')).toMatchObject({ kind: 'acquired', attempt: 1 })
  await eventually(connections).toBeLessThanOrEqual(maxConnections)
})

test('answers that do not come: the claim was made, and made again is the same', { timeout: 5_000 }, async () => {
  await warmUp()
  proxy.stall('server')
  expect(await fate(claim('unheard'))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  proxy.resume()
  expect(await claim('unheard')).toMatchObject({ kind: 'acquired', attempt: 1 })
})

test('a server that takes connections and says nothing: the first step ends in time', async () => {
  proxy.stall()
  const { code, tookMs } = await fate(store.now())
  expect(code).toBe('STORE_UNAVAILABLE')
  expect(tookMs).toBeLessThan(withinMs + slackMs)
  proxy.resume()
  expect(await claim('late')).toMatchObject({ kind: 'acquired', attempt: 1 })
})

test('50 stalls leave no connection behind', { timeout: 90_000 }, async () => {
  const short = postgresStore({ url: proxy.through(url), maxConnections, timeoutMs: 100, listenUrl: false })
  try {
    for (let round = 0; round < 50; round++) {
      await eventually(() => fate(short.now())).toMatchObject({ code: 'answered' })
      proxy.stall()
      const { code } = await fate(short.get(keyOf(`round-${round}`)))
      proxy.resume()
      expect(code).toBe('STORE_UNAVAILABLE')
    }
    await eventually(connections).toBeLessThanOrEqual(maxConnections)
    await eventually(() => proxy.counts().open).toBeLessThanOrEqual(maxConnections)
  } finally {
    await short.close()
  }
})
