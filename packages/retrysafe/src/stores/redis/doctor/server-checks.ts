import { doubtful, type Finding, fine, wrong } from '../../finding.ts'
import { isNewEnough, type ServerInfo } from '../server-info.ts'
import type { NodeFacts } from './node-facts.ts'

type Config = NodeFacts['config']

const inFile = 'in redis.conf, and by CONFIG SET until the next start'
const unknown = 'this user may not ask CONFIG GET'

export function judgeVersion({ version }: ServerInfo): Finding {
  const says = `Redis ${version}`
  if (isNewEnough(version)) return fine('version', says)
  return wrong('version', `${says} is too old: Retrysafe needs 7.0 or newer`, 'upgrade the server')
}

/** What these facts come to, each by itself. */
export function judgeServer(info: ServerInfo, config: Config, allowEviction: boolean): Finding[] {
  return [
    judgeRole(info),
    judgeEviction(info, allowEviction),
    judgeAppendOnlyFile(info, config),
    judgeWrites(info, config),
    judgeReplicas(info, config),
    judgeLargest(config),
    judgeConnections(info, config),
  ]
}

function judgeRole({ fields }: ServerInfo): Finding {
  if (fields.get('role') !== 'slave') return fine('role', 'a primary: it takes writes')
  const primary = `${fields.get('master_host')}:${fields.get('master_port')}`
  return wrong('role', `a replica of ${primary}: it takes no writes`, 'name the primary in the URL')
}

function judgeEviction({ policy, evicts, fields }: ServerInfo, isAllowed: boolean): Finding {
  const check = 'maxmemory-policy'
  const evicted = Number(fields.get('evicted_keys') ?? 0)
  if (!evicts) return fine(check, `${policy}: what is kept stays until it expires`)
  const so = evicted > 0 ? `, and has evicted ${evicted} keys since it started` : ''
  const says = `${policy}: a full server drops records that count${so}; their calls run again`
  const cure = `maxmemory-policy noeviction ${inFile}`
  if (isAllowed) return doubtful(check, `${says} (evicting=allow)`, cure)
  return wrong(
    check,
    `${says}. The gateway does not start on it`,
    `${cure}; or accept it with evicting=allow in the URL`,
  )
}

function judgeAppendOnlyFile({ appends, fields }: ServerInfo, config: Config): Finding {
  const check = 'appendonly'
  const cure = `appendonly yes and appendfsync always ${inFile}`
  if (!appends) {
    const snapshots = config?.get('save') === '' ? ', and there is none' : ''
    const says = `appendonly is no: a restart forgets all that came after the last snapshot${snapshots}`
    return doubtful(check, `${says}, and those calls run again`, cure)
  }
  const fsync = config?.get('appendfsync')
  if (fsync === 'always' && config?.get('no-appendfsync-on-rewrite') === 'yes') {
    const says =
      'no-appendfsync-on-rewrite is yes: while its file is rewritten, outcomes are acknowledged before they are on disk'
    return doubtful(check, says, `no-appendfsync-on-rewrite no ${inFile}`)
  }
  switch (fsync) {
    case 'always':
      return fine(check, 'appendfsync is always: each outcome is on disk before it is acknowledged')
    case 'everysec':
      return doubtful(
        check,
        'appendfsync is everysec: a machine that crashes forgets up to 2 s, and those calls run again',
        cure,
      )
    case 'no':
      return doubtful(
        check,
        'appendfsync is no: a machine that crashes forgets what its system had not written, 30 s or more, and those calls run again',
        cure,
      )
    default: {
      const rewriting = fields.get('aof_rewrite_in_progress') === '1' ? ' (it is being rewritten)' : ''
      const says = `there is an append-only file${rewriting}; how often it is synced is not known: ${unknown}`
      return doubtful(check, says, 'see that appendfsync is always: with everysec a crash forgets up to 2 s')
    }
  }
}

function judgeWrites({ appends, fields }: ServerInfo, config: Config): Finding {
  const check = 'last write to disk'
  const look = "make room on the server's disk, or look into its log"
  if (appends && (fields.get('aof_last_write_status') ?? 'ok') !== 'ok')
    return wrong(check, 'the append-only file could not be written: the server refuses all writes (MISCONF)', look)
  if ((fields.get('rdb_last_bgsave_status') ?? 'ok') !== 'ok') {
    const says = 'the last snapshot could not be saved'
    const isAsked = config?.get('save') !== '' && config?.get('stop-writes-on-bgsave-error') !== 'no'
    if (isAsked) return wrong(check, `${says}: the server refuses all writes (MISCONF)`, look)
    return doubtful(check, says, look)
  }
  if (appends && (fields.get('aof_last_bgrewrite_status') ?? 'ok') !== 'ok')
    return doubtful(check, 'the append-only file could not be rewritten: it grows, and restarts take longer', look)
  return fine(check, 'it went well')
}

function judgeReplicas({ isCluster, fields }: ServerInfo, config: Config): Finding {
  const check = 'replicas'
  const count = Number(fields.get('connected_slaves') ?? 0)
  const needed = Number(config?.get('min-replicas-to-write') ?? 0)
  const good = Number(fields.get('min_slaves_good_slaves') ?? count)
  if (good < needed) {
    const says = `min-replicas-to-write is ${needed}, and ${good} are there: the server refuses all writes (NOREPLICAS)`
    return wrong(check, says, 'bring the replicas back, or lower it')
  }
  if (count === 0) return fine(check, 'none: the records are on this machine alone, and are lost with its disk')
  const late = [...fields].filter(([name, value]) => /^slave\d+$/.test(name) && !value.includes('state=online'))
  if (late.length > 0)
    return doubtful(
      check,
      `${late.length} of ${count} lag behind: after a failover to one of them all of it is forgotten`,
      'look into their logs',
    )
  const says = `${count}, written behind the answers: a failover forgets the last outcomes, and those calls run again`
  // A primary of a cluster stops by itself when it has lost sight of the others.
  if (isCluster || needed > 0) return fine(check, says)
  const cutOff = 'a primary that is cut off from them goes on acknowledging what the failover forgets'
  return doubtful(check, `${says}; min-replicas-to-write is 0: ${cutOff}`, `min-replicas-to-write 1 ${inFile}`)
}

/** As large as Redis lets a string be, proto-max-bulk-len's default. */
const largestBytes = 536_870_912

function judgeLargest(config: Config): Finding {
  const check = 'proto-max-bulk-len'
  const bytes = Number(config?.get('proto-max-bulk-len') ?? Number.NaN)
  if (Number.isNaN(bytes)) return fine(check, `not known: ${unknown}`)
  const says = `an answer may have up to ${mebibytes(bytes)}`
  if (bytes >= largestBytes) return fine(check, says)
  return doubtful(
    check,
    `${says}: the server cuts the connection of who sends more`,
    `proto-max-bulk-len 512mb ${inFile}, or --max-result below it`,
  )
}

/** A process has two: one for commands, one to hear of changes. */
const connectionsEach = 2
const shortestIdleS = 60

function judgeConnections({ fields }: ServerInfo, config: Config): Finding {
  const check = 'connections'
  const [used, most] = [Number(fields.get('connected_clients') ?? 0), Number(fields.get('maxclients') ?? 10_000)]
  const says = `${used} of ${most} are in use, a process takes ${connectionsEach} of each server`
  if (most - used < 10 * connectionsEach)
    return doubtful(check, `${says}: few are left`, `a higher maxclients ${inFile}`)
  const idleS = Number(config?.get('timeout') ?? 0)
  if (idleS > 0 && idleS < shortestIdleS)
    return doubtful(
      check,
      `timeout is ${idleS} s: quiet connections are cut and made again all the time`,
      `timeout 0 ${inFile}`,
    )
  if (config?.get('tcp-keepalive') === '0')
    return doubtful(
      check,
      'tcp-keepalive is 0: connections of machines that are gone stay open until the server is full of them',
      `tcp-keepalive 300 ${inFile}`,
    )
  return fine(check, says)
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
