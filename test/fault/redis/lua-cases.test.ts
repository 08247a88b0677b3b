import { afterAll, test } from 'vitest'
import { ManualServerClock } from '../../../packages/retrysafe/test/stores/redis/manual-link.ts'
import { startRedis } from '../../support/redis/server.ts'
import { luaCases } from './lua-cases.ts'
import { LuaStage } from './lua-stage.ts'

const server = await startRedis()
afterAll(() => server.discard())

// Not $name: that cuts long ones short.
test.each(luaCases.map(({ name, run }) => [name, run] as const))('%s', async (_, run) => {
  const stage = new LuaStage(server, new ManualServerClock())
  try {
    await run(stage)
  } finally {
    await stage.close()
  }
})
