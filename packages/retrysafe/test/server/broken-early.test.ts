import { getRequestListener } from '@hono/node-server'
import { expect, test } from 'vitest'
import { listen } from '../../../../test/server-cases/stand.ts'
import { ask } from '../../../../test/support/exchange.ts'
import type { Follower, FollowStep } from '../../src/engine/follower.ts'
import { FetchCaller } from '../../src/server/fetch-caller.ts'

/** Of a run that has said one thing, and is over. */
function brokenFollower(): Follower {
  const steps: FollowStep[] = [{ kind: 'bytes', bytes: Buffer.from('one') }, { kind: 'broken' }]
  return {
    head: { kind: 'http', status: 200, headers: [] },
    lengthBytes: undefined,
    next: async () => steps.shift() ?? { kind: 'broken' },
    close: () => {},
  } as unknown as Follower
}

// @hono/node-server 1.19 takes an error in its first reads of a body for the end.
test('a run that is broken when its answer begins never ends cleanly', async () => {
  const { url, close } = await listen(
    getRequestListener(async () => {
      const caller = new FetchCaller(() => {})
      void caller.live(brokenFollower(), [], { outcome: 'joined', key: undefined })
      const response = await caller.response
      // As Hono and outer middleware do: then that server reads the body ahead.
      return new Response(response.body, response)
    }),
  )
  await expect(ask(url)).rejects.toThrow()
  await close()
})
