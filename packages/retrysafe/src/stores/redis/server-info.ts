/** What a server says of itself. */
export interface ServerInfo {
  readonly version: string
  readonly isCluster: boolean
  readonly policy: string
  /** The policy takes away keys to make room. All of ours have an end, so the volatile ones do, too. */
  readonly evicts: boolean
  /** It keeps an append-only file. */
  readonly appends: boolean
  /** All of it: `INFO`'s lines by name. */
  readonly fields: ReadonlyMap<string, string>
}

/** Reads the answer to INFO. */
export function readInfo(text: string): ServerInfo {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':')
    if (at > 0 && !line.startsWith('#')) fields.set(line.slice(0, at), line.slice(at + 1))
  }
  const policy = fields.get('maxmemory_policy') ?? 'noeviction'
  return {
    version: fields.get('redis_version') ?? '0',
    isCluster: fields.get('cluster_enabled') === '1',
    policy,
    evicts: policy !== 'noeviction',
    appends: fields.get('aof_enabled') === '1',
    fields,
  }
}

/** The first version with scripts that say what they do, sharded channels, and rights to be asked about in scripts. */
export function isNewEnough(version: string): boolean {
  return Number.parseInt(version, 10) >= 7
}
