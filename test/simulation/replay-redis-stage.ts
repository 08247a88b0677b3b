import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { openLink } from '../../packages/retrysafe/src/stores/redis/open-link.ts'
import { readSettings } from '../../packages/retrysafe/src/stores/redis/settings.ts'
import { openRedisStore } from '../../packages/retrysafe/src/stores/redis/store.ts'
import { ManualServerClock } from '../../packages/retrysafe/test/stores/redis/manual-link.ts'
import type { ReplayStage } from './replay-stage.ts'

/**
 * A server, or a cluster, whose store has a clock that stands where it is put, for all processes at once.
 *
 * @param libraries by which processes reach it, one each
 */
export async function redisStage(url: string, libraries: readonly ('ioredis' | 'redis')[]): Promise<ReplayStage> {
  const clock = new ManualServerClock()
  let opened: Store[] = []
  let runs = 0
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map(store => store.close()))
    opened = []
  }
  return {
    name: 'redis',
    clocks: { kind: 'one clock' },
    async open() {
      await closeAll()
      // An empty place each time.
      const prefix = `replay${process.pid}-${++runs}`
      opened = libraries.map(library => openPlace(url, library, prefix, clock))
      const [first, ...others] = opened
      if (first === undefined) throw new Error('no process reaches the store')
      return {
        stores: [first, ...others],
        async setTime({ wallMs }) {
          clock.set(wallMs)
        },
        leeway: { followed: others.length === 0 ? 'lingers' : 'open', sweep: 'open', openEnds: 'later' },
      }
    },
    close: closeAll,
  }
}

function openPlace(url: string, library: 'ioredis' | 'redis', prefix: string, clock: ManualServerClock): Store {
  const settings = readSettings({ url, library, prefix, warn: () => {} })
  const link = openLink(settings, { troubled: () => {} })
  const store = openRedisStore(settings, () => clock.wrap(link))
  const purge: Store['purge'] = async (key, fence, options) => {
    const name = `${prefix}:{${key}}`
    const head = Buffer.from(String(await link.send(name, ['GETRANGE', name, '3', '4'])), 'latin1')
    const answer = await store.purge(key, fence, options)
    // Where nothing can come back, nothing stays of an outcome that was never taken over; here a tombstone does.
    const [state = 0, flags = 0] = head
    if (answer === 'ok' && state === 'c'.charCodeAt(0) && (flags & 2) === 0) await link.send(name, ['DEL', name])
    return answer
  }
  return { ...store, purge }
}
