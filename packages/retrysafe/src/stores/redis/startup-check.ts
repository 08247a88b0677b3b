import { RetrysafeError } from '../../engine/errors.ts'
import type { RedisLink, RedisNode } from './link.ts'
import { isNewEnough, readInfo, type ServerInfo } from './server-info.ts'
import { clusterInstead, codeOf, singleInstead } from './store-error.ts'

export interface CheckTerms {
  readonly allowEviction: boolean
  readonly warn: (message: string) => void
}

/**
 * Whether these servers can hold the store's promise, as far as they say.
 *
 * @throws {RetrysafeError} `STORE_INCOMPATIBLE`: older than 7.0, or they may evict records, or a single server for a
 * cluster, or the reverse
 */
export async function checkServers(link: RedisLink, { allowEviction, warn }: CheckTerms): Promise<void> {
  for (const node of await link.primaries()) {
    const info = await infoOf(node, warn)
    if (info === undefined) return
    mustBeNewEnough(info)
    mustBeAsSaid(info, link.isCluster)
    if (info.evicts) {
      const what = `Redis at ${node.name} may evict records to make room (maxmemory-policy ${info.policy})`
      if (!allowEviction)
        throw new RetrysafeError(
          'STORE_INCOMPATIBLE',
          `${what}, and a call would run again: set maxmemory-policy noeviction, or accept it with evicting=allow`,
        )
      warn(`${what}: a call whose record was evicted runs again`)
    }
    if (!info.appends)
      warn(`Redis at ${node.name} keeps no append-only file: a restart forgets records, and their calls run again`)
  }
}

async function infoOf(node: RedisNode, warn: (message: string) => void): Promise<ServerInfo | undefined> {
  try {
    return readInfo(String(await node.send(['INFO'])))
  } catch (error) {
    if (!['NOPERM', 'ERR'].includes(codeOf(error))) throw error
    warn('Redis does not let this user ask for INFO: whether it may evict or forget records was not checked')
    return undefined
  }
}

function mustBeNewEnough({ version }: ServerInfo): void {
  if (isNewEnough(version)) return
  throw new RetrysafeError('STORE_INCOMPATIBLE', `Redis is version ${version}: upgrade it to 7.0 or newer`)
}

/** @throws {RetrysafeError} `STORE_INCOMPATIBLE` */
export function mustBeAsSaid({ isCluster }: ServerInfo, expected: boolean): void {
  if (isCluster !== expected) throw isCluster ? clusterInstead() : singleInstead()
}
