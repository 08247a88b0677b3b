import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'

const program = new URL('./programs/batch-caller.mjs', import.meta.url)
const [processes, handles, size] = [4, 2, 200]
const [windowSize, step] = [400, 40]
/** Whatever anybody ever claims: 44 steps of the window and the last one whole. */
const keyCount = 2_160

interface Finished {
  readonly key: string
  readonly fence: number
  readonly hash?: string
  readonly freed?: boolean
}
interface Report {
  readonly seen: { acquired: number; running: number; completed: number }
  readonly wrong: readonly unknown[]
  readonly replays: readonly { key: string; fence: number; hash: string }[]
  readonly finished: readonly Finished[]
}

// A deadlock is looked for as soon as anybody waits: it is told, and counted, however short it would be.
const server = await startPostgres({ settings: { deadlock_timeout: '5ms' } })
const url = await server.createDatabase()
await migrate({ url })
const client = new Client({ connectionString: url })
const crew: Member[] = []

beforeAll(async () => {
  await client.connect()
  for (let place = 0; place < processes; place++) crew.push(startMember(program, { url, name: `p${place}`, handles }))
})
afterAll(async () => {
  await killAll(crew)
  await client.end()
  await server.stop()
})

async function claimBatches(prefix: string, batches: number, freedShare: number): Promise<Report> {
  const input = { batches, size, windowSize, step, prefix, freedShare }
  const reports = await Promise.all(crew.map(member => member.ask<Report>('claim', input)))
  const sum = (kind: keyof Report['seen']): number => reports.reduce((total, { seen }) => total + seen[kind], 0)
  return {
    seen: { acquired: sum('acquired'), running: sum('running'), completed: sum('completed') },
    wrong: reports.flatMap(({ wrong }) => wrong),
    replays: reports.flatMap(({ replays }) => replays),
    finished: reports.flatMap(({ finished }) => finished),
  }
}

/** As the server counts them, also those after which we ask again. */
async function deadlocks(): Promise<unknown> {
  const { rows } = await client.query('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()')
  return rows[0]?.deadlocks
}

test('360 overlapping batches of 200 keys, completed meanwhile: no deadlock, one winner a key', {
  timeout: 120_000,
}, async () => {
  const { seen, wrong, replays, finished } = await claimBatches('kept', 45, 0)
  console.log(`batches: 360 of ${size} keys, ${JSON.stringify(seen)}`)
  expect(wrong).toEqual([])
  expect(seen.acquired + seen.running + seen.completed).toBe(72_000)
  expect(seen.running).toBeGreaterThan(0)
  const winners = new Map(finished.map(({ key, fence, hash }) => [key, `${fence} ${hash}`]))
  expect(finished).toHaveLength(winners.size)
  // By chance a key may be in nobody's batch.
  expect(winners.size).toBeGreaterThan(keyCount - 20)
  expect(replays.filter(({ key, fence, hash }) => winners.get(key) !== `${fence} ${hash}`)).toEqual([])
  expect(server.log()).not.toContain('deadlock detected')
})

test('120 batches while keys are freed: no deadlock, one winner a life', { timeout: 120_000 }, async () => {
  const { wrong, finished } = await claimBatches('freed', 15, 0.5)
  expect(wrong).toEqual([])
  const completed = finished.filter(({ freed }) => freed !== true)
  expect(new Set(completed.map(({ key }) => key)).size).toBe(completed.length)
  expect(new Set(finished.map(({ key, fence }) => `${key} ${fence}`)).size).toBe(finished.length)
  expect(server.log()).not.toContain('deadlock detected')
})

test('the server has counted none', async () => {
  await Promise.all(crew.map(member => member.ask('close')))
  // A backend tells its last figures when it ends.
  await eventually(
    async () => (await client.query(`SELECT FROM pg_stat_activity WHERE application_name ~ '^retrysafe'`)).rowCount,
  ).toBe(0)
  expect(await deadlocks()).toBe(0)
})
