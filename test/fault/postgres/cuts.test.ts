import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { postgresStore } from '../../../packages/retrysafe/src/stores/postgres/index.ts'
import { startWallMs } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { eventually } from '../../support/eventually.ts'
import { openSchemas } from '../../support/postgres/schemas.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import type { Stage } from '../cut-stage.ts'
import { cutSteps } from '../cut-steps.ts'

const server = await startPostgres()
afterAll(() => server.stop())
const proxy = await startTcpProxy(server)
afterAll(() => proxy.stop())
const schemas = await openSchemas(await server.createDatabase(), { manualMs: startWallMs })
afterAll(() => schemas.close())

/** Where a connection is cut: whose bytes, and how many of them still arrive. */
const cuts = [
  { when: 'in mid-command', side: 'client', bytes: 20, isMade: false },
  { when: 'before the answer', side: 'server', bytes: 0, isMade: true },
  { when: 'in mid-answer', side: 'server', bytes: 25, isMade: true },
] as const

/** One schema for all, emptied between the trials. */
let url = ''
let store: Store
let direct: Store
beforeAll(async () => {
  url = await schemas.take()
  store = postgresStore({ url: proxy.through(url), maxConnections: 1, listenUrl: false })
  direct = postgresStore({ url, maxConnections: 2, listenUrl: false })
})
afterAll(async () => {
  await Promise.all([store.close(), direct.close()])
})

async function connections(): Promise<number> {
  const text = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'retrysafe'`
  return (await schemas.pool.query<{ n: number }>(text)).rows[0]?.n ?? 0
}

describe.each(cuts)('cut $when, and sent again', ({ when, side, bytes, isMade }) => {
  test.each(cutSteps)('$name', async step => {
    schemas.give(url)
    await schemas.take()
    const stage: Stage = { store, direct, name: `${step.name} ${when}`, pass: schemas.clock.pass }
    // The connection is there, and the schema is known.
    await store.now()
    const send = await step.prepare(stage)
    const cut = proxy.cutAfter(side, bytes)
    await expect(send()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await cut
    const answer = await send()
    const expected = isMade && step.again !== undefined ? step.again : step.first
    if (typeof expected === 'object') expect(answer).toMatchObject(expected as object)
    else expect(answer).toBe(expected)
    const left = await step.left(stage)
    if (typeof step.leaves === 'object') expect(left).toMatchObject(step.leaves as object)
    else expect(left).toBe(step.leaves)
  })
})

test('every connection that was cut is gone: 1 of the store, 2 beside it at the most', async () => {
  expect(proxy.counts().connections).toBeGreaterThan(3 * cutSteps.length)
  await eventually(connections).toBeLessThanOrEqual(3)
  expect(proxy.counts().open).toBe(1)
})
