import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, expect, test } from 'vitest'
import { startPostgres } from '../../support/postgres/server.ts'
import { expectNothingLost, kills, killUnderLoad } from '../server-kills.ts'

/** The store reads its clock before it commits: what is counted from it is shorter by the time that the commit takes. */
const commitWithinMs = 1_000

// By default a killed server opens each file to sync it before it recovers, which takes seconds; this syncs them all at once.
const settings = process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}
const server = await startPostgres({ settings })
afterAll(() => server.stop())
const url = await server.createDatabase()
await migrate({ url })

test(`${kills} kills (-9) of the server under load: no acknowledged completion is lost or changed`, {
  timeout: 120_000 + kills * 10_000,
}, async () => {
  const storeUrl = `${url}?connections=6`
  const run = await killUnderLoad({ server, url: storeUrl, kills, completions: [255, 300], longLifeEvery: 7 })
  expectNothingLost(run, commitWithinMs)
  expect(server.log().match(/not properly shut down/g)).toHaveLength(kills)
})
