import { describe, expect, onTestFinished, test } from 'vitest'
import { type RedisServer, type Settings, startRedis } from '../../support/redis/server.ts'
import { expectNothingLost, kills, killUnderLoad } from '../server-kills.ts'
import { withTwins } from './twins.ts'

const rhythm = { completions: [250, 262], longLifeEvery: 10 } as const
/** A script's clock has whole milliseconds. */
const leaseSlackMs = 2

async function start(settings: Settings = {}): Promise<RedisServer> {
  const server = await startRedis({ settings })
  onTestFinished(() => server.discard())
  return server
}

describe('kills (-9) of the server under load', () => {
  test(`${kills} with appendfsync always: no acknowledged completion is lost or changed`, {
    timeout: 120_000 + kills * 10_000,
  }, async () => {
    const server = await start()
    const run = await killUnderLoad({ server, url: server.url, kills, ...rhythm })
    expectNothingLost({ ...run, asked: withTwins(run.asked, run.outages) }, leaseSlackMs)
  })

  test('2 with snapshots instead of an append-only file: the same test sees what is lost', {
    timeout: 60_000,
  }, async () => {
    const server = await start({ appendonly: 'no', save: '1 1' })
    const { audited } = await killUnderLoad({ server, url: server.url, kills: 2, ...rhythm })
    expect(audited.wrong.length).toBeGreaterThan(0)
  })
})
