import type { StoreKey } from '../../engine/record.ts'
import { isExpired } from '../row/row.ts'
import type { Environment } from './environment.ts'
import { expiryKey, recordOfExpiry, storeKeyOf } from './keys.ts'
import type { Records } from './records.ts'

/** Records that go in one commit: LMDB's lock is not held for longer than that takes. */
const portion = 100
/** A running record past its expiry lives as long as its lease: look again then. */
const againMs = 1_000

/** Removes at most `limit` expired records, in small commits; answers how many. */
export async function sweepExpired(
  environment: Environment,
  records: Records,
  limit: number,
  removed: (key: StoreKey) => void,
): Promise<number> {
  let count = 0
  // Entries that are to be moved cost a look each.
  for (let looks = 0; count < limit && looks < 4 * limit; ) {
    const due = listDue(environment, records.time().wallMs, Math.min(portion, limit - count))
    if (due.length === 0) return count
    looks += due.length
    const results = await Promise.all(due.map(entry => sweepOne(records, entry)))
    due.forEach((entry, index) => {
      if (results[index] !== 'removed') return
      count++
      removed(storeKeyOf(recordOfExpiry(entry)))
    })
  }
  return count
}

function listDue(environment: Environment, wallMs: number, limit: number): Buffer[] {
  environment.refresh()
  const end = expiryKey(wallMs + 1, Buffer.alloc(0))
  return [...environment.expiry.getKeys({ end, limit })].map(entry => Buffer.from(entry))
}

async function sweepOne(records: Records, entry: Buffer): Promise<'removed' | 'kept'> {
  const now = records.time()
  const record = recordOfExpiry(entry)
  const loaded = records.load(record, now)
  if (loaded === undefined || !expiryKey(loaded.wokenAtMs, record).equals(entry)) {
    // Left in its place, it would come first again and again.
    await records.dropEntry(entry, record, loaded)
    return 'kept'
  }
  if (!isExpired(loaded.row, now)) {
    await records.wakeAt(record, Math.max(loaded.row.expiresAtMs, now.wallMs + againMs))
    return 'kept'
  }
  return records.change<'removed' | 'kept'>(
    record,
    (newest, at) =>
      newest !== undefined && isExpired(newest.row, at)
        ? { answer: 'removed', change: { kind: 'delete' } }
        : { answer: 'kept', change: { kind: 'keep' } },
    'store',
  )
}
