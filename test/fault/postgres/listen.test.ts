import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import type { Token } from '../../../packages/retrysafe/src/engine/record.ts'
import type { Store, Subscription } from '../../../packages/retrysafe/src/engine/store.ts'
import { postgresStore } from '../../../packages/retrysafe/src/stores/postgres/index.ts'
import { acquireToken, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { eventually } from '../../support/eventually.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

/** I12: a waiter wakes within the store's poll time. */
const wakesWithinMs = 1_000

const server = await startPostgres()
afterAll(() => server.stop())
const url = await server.createDatabase()
await migrate({ url })
const proxy = await startTcpProxy(server)
afterAll(() => proxy.stop())
/** Hears what stores tell each other, and can say it again. */
const wire = new Client({ connectionString: url })
await wire.connect()
afterAll(() => wire.end())
await wire.query('LISTEN "retrysafe retrysafe"')
const notices: string[] = []
wire.on('notification', ({ payload }) => notices.push(payload ?? ''))

const key = keyOf('followed')
let owner: Store
let follower: Store
let token: Token
let subscription: Subscription
let hints = 0
let lengthBytes = 0

beforeEach(async () => {
  owner = postgresStore({ url, listenUrl: false })
  follower = postgresStore({ url, listenUrl: proxy.through(url) })
  token = await acquireToken(owner, { key })
  subscription = follower.subscribe(key, () => {
    hints++
  })
  lengthBytes = 0
  await eventually(listeners).toBe(1)
})
afterEach(async () => {
  proxy.resume()
  await proxy.accept()
  await owner.release(key, token, { end: 'free', cooldownMs: 0 })
  await Promise.all([owner.close(), follower.close()])
  await eventually(listeners).toBe(0)
})

async function listeners(): Promise<number> {
  const text = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND pid <> pg_backend_pid()`
  return (await wire.query<{ n: number }>(text)).rows[0]?.n ?? 0
}

/** Changes the record; answers how long the follower had to wait for its hint. */
async function change(): Promise<number> {
  const answer = await owner.append(key, token, { offsetBytes: lengthBytes, bytes: Buffer.from('abc') })
  expect(answer).toMatchObject({ kind: 'ok' })
  lengthBytes += 3
  const [before, startMs] = [hints, performance.now()]
  await eventually(() => hints).toBeGreaterThan(before)
  return performance.now() - startMs
}

/** Says again what was told before: nothing has changed, so that no poller can give this hint. */
async function isHeard(): Promise<boolean> {
  const notice = notices.at(-1)
  if (notice === undefined) throw new Error('no store has told anything')
  const before = hints
  await wire.query('SELECT pg_notify($1, $2)', ['retrysafe retrysafe', notice])
  // What is told comes in order: an own notification after it was heard here.
  await wire.query(`SELECT pg_notify('retrysafe retrysafe', 'end')`)
  await eventually(() => notices.at(-1)).toBe('end')
  notices.pop()
  await new Promise(resolve => setImmediate(resolve))
  return hints > before
}

test('a LISTEN connection that is cut comes back by itself; meanwhile changes are seen in time', async () => {
  notices.length = 0
  await eventually(async () => {
    await change()
    return notices.length
  }).toBeGreaterThan(0)
  await eventually(isHeard).toBe(true)

  proxy.refuse()
  proxy.cut()
  await eventually(listeners).toBe(0)
  const meanwhileMs: number[] = []
  for (let count = 0; count < 10; count++) meanwhileMs.push(await change())
  expect(await isHeard()).toBe(false)
  console.log(`listen: without notifications a hint takes at most ${Math.max(...meanwhileMs).toFixed(0)} ms`)
  expect(Math.max(...meanwhileMs)).toBeLessThan(wakesWithinMs)

  await proxy.accept()
  await eventually(listeners).toBe(1)
  await eventually(isHeard).toBe(true)
})

test('a LISTEN connection that fell silent: changes are seen in time all the same', async () => {
  proxy.stall()
  const hintMs: number[] = []
  for (let count = 0; count < 10; count++) hintMs.push(await change())
  console.log(`listen: over a silent connection a hint takes at most ${Math.max(...hintMs).toFixed(0)} ms`)
  expect(Math.max(...hintMs)).toBeLessThan(wakesWithinMs)
})

test('an owner knows for as long as somebody follows, and no more soon after', { timeout: 60_000 }, async () => {
  const isFollowed = async (): Promise<unknown> => {
    const answer = await owner.renew(key, token, { leaseMs: 30_000 })
    return answer.kind === 'ok' && answer.followed
  }
  await eventually(isFollowed).toBe(true)
  // Longer than a mark holds: it is set again and again.
  const startMs = performance.now()
  let always = true
  while (performance.now() - startMs < 6_000) {
    always &&= (await isFollowed()) === true
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  expect(always).toBe(true)
  subscription.close()
  await eventually(isFollowed).toBe(false)
})
