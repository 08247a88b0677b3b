import * as ioredis6 from 'ioredis'
import * as ioredis5 from 'ioredis-5'
import * as redis6 from 'redis'
import * as redis5 from 'redis-5'
import type { Store } from '../../../src/engine/store.ts'
import { linkIoredis } from '../../../src/stores/redis/ioredis-link.ts'
import type { LinkTerms, RedisLink } from '../../../src/stores/redis/link.ts'
import { linkNodeRedis } from '../../../src/stores/redis/node-redis-link.ts'
import { type Ioredis, type NodeRedis, openIoredis, openNodeRedis } from '../../../src/stores/redis/open-link.ts'
import { readSettings } from '../../../src/stores/redis/settings.ts'
import { openRedisStore } from '../../../src/stores/redis/store.ts'
import { readStoreUrl } from '../../../src/stores/redis/store-url.ts'

/** A client library as the store uses it. */
export interface Library {
  readonly name: string
  /** The store's own client, not connected yet. */
  link(url: string, terms?: LinkTerms & { timeoutMs?: number }): RedisLink
  store(url: string, prefix: string, timeoutMs?: number): Store
}

const quiet: LinkTerms = { troubled: () => {} }

export const libraries: readonly Library[] = [
  ofIoredis('ioredis 6', ioredis6 as unknown as Ioredis),
  ofIoredis('ioredis 5', ioredis5 as unknown as Ioredis),
  ofNodeRedis('redis 6', redis6 as unknown as NodeRedis),
  ofNodeRedis('redis 5', redis5 as unknown as NodeRedis),
]

function ofIoredis(name: string, peer: Ioredis): Library {
  return describeLibrary(name, (url, timeoutMs, terms) =>
    linkIoredis(openIoredis(peer, readStoreUrl(url), timeoutMs), true, terms),
  )
}

function ofNodeRedis(name: string, peer: NodeRedis): Library {
  return describeLibrary(name, (url, timeoutMs, terms) =>
    linkNodeRedis(openNodeRedis(peer, readStoreUrl(url), timeoutMs), true, terms),
  )
}

function describeLibrary(name: string, open: (url: string, timeoutMs: number, terms: LinkTerms) => RedisLink): Library {
  return {
    name,
    link: (url, { timeoutMs = 2_000, ...terms } = quiet) => open(url, timeoutMs, terms),
    store(url, prefix, timeoutMs = 2_000) {
      const settings = readSettings({ url, prefix, timeoutMs, warn: () => {} })
      return openRedisStore(settings, (_, terms) => open(url, settings.timeoutMs, terms))
    },
  }
}
