import { doubtful, type Finding, fine, wrong } from '../../finding.ts'
import type { Names } from '../names.ts'
import type { ServerInfo } from '../server-info.ts'
import { type Send, unlessRefused } from './node-facts.ts'
import { mebibytes } from './server-checks.ts'

/** Records that are measured, at most about so many, and SCANs to find them among others' keys. */
const enough = 200
const mostScans = 20
/** What MEMORY USAGE leaves out: the key's place in the table of those that expire. */
const expiryBytes = 48
const mostShare = 0.9

/** How many records more a server has room for, by the size of those that are there. */
export async function examineMemory(send: Send, names: Names, info: ServerInfo): Promise<Finding> {
  return judgeMemory(info, (await unlessRefused(() => measureRecords(send, names))) ?? [])
}

async function measureRecords(send: Send, names: Names): Promise<number[]> {
  const found = new Set<string>()
  let cursor = '0'
  for (let scans = 0; scans < mostScans && found.size < enough; scans++) {
    const [next, keys] = (await send(['SCAN', cursor, 'MATCH', names.recordPattern, 'COUNT', '500'])) as [
      unknown,
      unknown[],
    ]
    for (const key of keys) found.add(String(key))
    cursor = String(next)
    if (cursor === '0') break
  }
  const sizes = await Promise.all([...found].slice(0, enough).map(key => send(['MEMORY', 'USAGE', key])))
  // One that has expired meanwhile has none.
  return sizes.map(Number).filter(bytes => bytes > 0)
}

/** @param sizes of some records, in bytes */
export function judgeMemory({ fields }: ServerInfo, sizes: readonly number[]): Finding {
  const check = 'memory'
  const most = Number(fields.get('maxmemory') ?? 0)
  const used = Number(fields.get('used_memory') ?? 0) - Number(fields.get('mem_not_counted_for_evict') ?? 0)
  const each = sizes.reduce((sum, bytes) => sum + bytes, 0) / sizes.length + expiryBytes
  const measured =
    sizes.length === 0
      ? 'no records to measure yet'
      : `a record takes ${Math.round(each)} bytes (${sizes.length} measured)`
  if (most === 0) {
    const machine = Number(fields.get('total_system_memory') ?? 0)
    const says = `maxmemory is 0: Redis refuses nothing and grows until the system ends it; ${mebibytes(used)} of the machine's ${mebibytes(machine)} are used, ${measured}`
    return doubtful(
      check,
      says,
      'set maxmemory to less than the machine has, in redis.conf: new calls are refused then, and outcomes still land',
    )
  }
  const more = sizes.length === 0 ? '' : `: room for about ${Math.max(0, Math.floor((most - used) / each))} more`
  const says = `${mebibytes(used)} of ${mebibytes(most)} are used; ${measured}${more}`
  const cure = 'raise maxmemory, or shorten the retention'
  if (used >= most) return wrong(check, `full, new calls are refused: ${says}`, cure)
  return used > most * mostShare ? doubtful(check, `nearly full: ${says}`, cure) : fine(check, says)
}
