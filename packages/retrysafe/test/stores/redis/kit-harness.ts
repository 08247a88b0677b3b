import { describe, it, vi } from 'vitest'
import type { Store } from '../../../src/engine/store.ts'
import { type KitHarness, type KitWalks, testStore } from '../../../src/store-testkit/index.ts'
import { openLink } from '../../../src/stores/redis/open-link.ts'
import { readSettings } from '../../../src/stores/redis/settings.ts'
import { openRedisStore } from '../../../src/stores/redis/store.ts'
import { ManualServerClock } from './manual-link.ts'

export interface HarnessTerms {
  readonly url: string
  readonly library: 'ioredis' | 'redis'
  /** Instead of the server's own. */
  readonly clock?: ManualServerClock
}

let prefixes = 0

/** Stores on one server, each behind a prefix of its own. */
export function redisHarness({ url, library, clock }: HarnessTerms): Omit<KitHarness, 'pass' | 'maxPassMs'> {
  const used = new WeakMap<Store, string>()

  function open(prefix: string): Store {
    const settings = readSettings({ url, library, prefix, warn: () => {} })
    const store = openRedisStore(settings, (terms, told) => {
      const link = openLink(terms, told)
      return clock?.wrap(link) ?? link
    })
    used.set(store, prefix)
    return store
  }

  return {
    open: async () => open(`kit${process.pid}-${++prefixes}`),
    openAgain: async store => open(used.get(store) ?? ''),
  }
}

/** The kit, on a clock that is moved by hand instead of the server's own. */
export function testOnManualClock(terms: Pick<HarnessTerms, 'url' | 'library'>, walks: KitWalks): void {
  // Walks take thousands of commands.
  vi.setConfig({ testTimeout: 90_000 })
  const clock = new ManualServerClock()
  testStore(
    { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) },
    {
      ...redisHarness({ ...terms, clock }),
      pass: async ms => clock.pass(ms),
      maxPassMs: Number.POSITIVE_INFINITY,
      walks,
    },
  )
}
