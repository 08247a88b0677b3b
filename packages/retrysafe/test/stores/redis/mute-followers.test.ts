import { afterAll, expect, it } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedis } from '../../../../../test/support/redis/server.ts'
import type { Timer, Timers } from '../../../src/engine/clock.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { Followers } from '../../../src/stores/redis/followers.ts'
import { Names } from '../../../src/stores/redis/names.ts'
import { openLink } from '../../../src/stores/redis/open-link.ts'
import { Server } from '../../../src/stores/redis/server.ts'
import { readSettings } from '../../../src/stores/redis/settings.ts'
import { keyOf } from '../../support/store-terms.ts'

const redis = await startRedis({ acl: { mute: 'on >secret ~* resetchannels +@all' } })
afterAll(() => redis.discard())

/** The process's own, and which of them are still to come. */
function watchTimers(): Timers & { readonly delaysMs: () => number[] } {
  const waiting = new Map<Timer, number>()
  return {
    delaysMs: () => [...waiting.values()],
    after(delayMs, run) {
      const timer = processSurroundings.timers.after(delayMs, () => {
        waiting.delete(watched)
        run()
      })
      const watched: Timer = {
        cancel() {
          waiting.delete(watched)
          timer.cancel()
        },
      }
      waiting.set(watched, delayMs)
      return watched
    },
  }
}

it.each(['its subscription', 'all'])('followers without a right to channels leave no timer behind %s', async what => {
  const timers = watchTimers()
  const settings = readSettings({ url: redis.urlOf('mute', 'secret'), warn: () => {} })
  const surroundings = processSurroundings
  const server = new Server(troubled => openLink(settings, { troubled }), {
    timeoutMs: 5_000,
    surroundings,
    check: async () => {},
  })
  const { monotonicMs } = surroundings.clock
  const followers = new Followers({ server, names: new Names('rs'), timers, monotonicMs })
  const subscription = followers.subscribe(keyOf('k'), () => {})
  // One to look again, one to ask for the channel again.
  await eventually(timers.delaysMs).toContain(5_000)
  if (what === 'all') followers.close()
  else subscription.close()
  expect(timers.delaysMs()).toEqual([])
  await server.close()
})
