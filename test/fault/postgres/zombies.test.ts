import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { makeProcessFolder } from '../../support/process-figures.ts'
import { killAll, type Member, startMember } from '../../support/process-member.ts'
import { takeFromStopped } from '../stopped-crew.ts'
import { WorkerCrew } from '../worker-crew.ts'

const program = new URL('./programs/store-process.mjs', import.meta.url)
const leaseMs = 500

const server = await startPostgres()
const url = await server.createDatabase()
await migrate({ url })
const client = new Client({ connectionString: url })
await client.connect()
await client.query('CREATE TABLE public.effect (key text NOT NULL, who text NOT NULL)')
const members: Member[] = []
const folder = makeProcessFolder()
afterAll(async () => {
  await killAll(members)
  await client.end()
  await server.stop()
  folder.remove()
})

interface Token {
  readonly fence: number
  readonly owner: string
}

async function start(): Promise<Member> {
  const member = startMember(program, { url })
  members.push(member)
  await member.ask('ready')
  return member
}

async function claim(member: Member, key: string, change: object): Promise<Token> {
  const answer = await member.ask<{ kind: string; token: Token }>('claim', { key, ...change })
  expect(answer.kind).toBe('acquired')
  return answer.token
}

/** Everything that the database has of any record, but for the clock's own. */
async function everything(): Promise<unknown> {
  const { rows } = await client.query(`SELECT
    (SELECT json_agg(r ORDER BY k) FROM retrysafe.record r) AS records,
    (SELECT json_agg(l ORDER BY k, fence, off) FROM retrysafe.log l) AS logs,
    (SELECT json_agg(s ORDER BY k, id) FROM retrysafe.step s) AS steps,
    (SELECT json_agg(e ORDER BY key) FROM public.effect e) AS effects`)
  return rows[0]
}

/** Each late step of a zombie, and what it is told. */
const lateSteps = [
  ['renew', {}, { kind: 'lost' }],
  ['renew', { sent: true }, { kind: 'lost' }],
  ['renew', { canonical: 'canonical' }, { kind: 'lost' }],
  ['append', { text: 'late', offsetBytes: 3 }, { kind: 'lost' }],
  ['append', { text: 'late', offsetBytes: 13 }, { kind: 'lost' }],
  ['complete', { text: 'late' }, 'lost'],
  ['complete', { text: 'late', offsetBytes: 13 }, 'lost'],
  ['release', { end: 'free' }, 'lost'],
  ['release', { end: 'broken' }, 'lost'],
  ['stepStart', { id: 'begun' }, { kind: 'lost' }],
  ['stepStart', { id: 'new' }, { kind: 'lost' }],
  ['stepPut', { id: 'begun', text: 'late' }, { kind: 'lost' }],
  ['act', { who: 'zombie', isolation: 'read committed' }, 'LEASE_LOST'],
  ['act', { who: 'zombie', isolation: 'repeatable read' }, 'LEASE_LOST'],
  ['act', { who: 'zombie', isolation: 'serializable' }, 'LEASE_LOST'],
] as const

test.each([
  ['still runs', async () => {}],
  [
    'has completed',
    (successor: Member, key: string, token: Token) =>
      successor.ask('complete', { key, token, text: '!', offsetBytes: 3 }),
  ],
  [
    'has cancelled',
    (successor: Member, key: string, token: Token) => successor.ask('release', { key, token, end: 'cancelled' }),
  ],
] as const)(
  'a process that was stopped, and whose successor %s, is told lost by every step',
  { timeout: 60_000 },
  async (state, go) => {
    const [zombie, successor] = [await start(), await start()]
    const key = `record that the successor ${state}`
    const old = await claim(zombie, key, { owner: 'zombie', leaseMs })
    await zombie.ask('append', { key, token: old, text: 'of the zombie' })
    await zombie.ask('stepStart', { key, token: old, id: 'begun' })
    zombie.stop()
    await eventually(() => zombie.state()).toBe('T')
    const ask = (): Promise<{ kind: string }> => successor.ask('claim', { key, owner: 'successor' })
    await eventually(async () => (await ask()).kind).toBe('acquired')
    // The same owner gets the same token again.
    const token = await claim(successor, key, { owner: 'successor' })
    expect(await successor.ask('append', { key, token, text: 'new' })).toMatchObject({ kind: 'ok' })
    await go(successor, key, token)
    const before = await everything()
    zombie.resume()
    const told = []
    for (const [step, input] of lateSteps)
      told.push([step, input, await zombie.ask(step, { key, token: old, ...input })])
    expect(told).toEqual(lateSteps)
    expect(await everything()).toEqual(before)
  },
)

test('processes that are stopped under load: what was taken from them is lost to them', {
  timeout: 120_000,
}, async () => {
  const crew = new WorkerCrew(folder.path, `${url}?connections=4`, {
    callers: 8,
    keysPerSecond: 300,
    keysAtOnce: 300,
    frees: true,
    leaseMs,
    insists: true,
  })
  const { taken, lost, other, violations } = await takeFromStopped(crew, leaseMs)
  expect(taken).toBeGreaterThanOrEqual(4)
  expect(lost).toBeGreaterThanOrEqual(4)
  expect(other).toEqual([])
  expect(violations).toEqual([])
})
