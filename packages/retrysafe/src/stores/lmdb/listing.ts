import { RetrysafeError } from '../../engine/errors.ts'
import type { ListQuery, RecordPage } from '../../engine/store.ts'
import { isExpired, viewOf } from '../row/row.ts'
import type { Environment } from './environment.ts'
import { isRecordKey, storeKeyOf } from './keys.ts'
import type { Records } from './records.ts'
import type { Table } from './tables.ts'

/** Records that one page looks at, at most: a page must not stop the process for a scan of the whole store. */
const maxLooks = 5_000

/** A page in the order of keys; a page may hold fewer records than its limit and still have a cursor. */
export function listRecords(environment: Environment, table: Table, records: Records, query: ListQuery): RecordPage {
  environment.refresh()
  const now = records.time()
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor)
  const views = []
  let looks = 0
  let last: Buffer | undefined
  for (const found of table.getKeys(after === undefined ? {} : { start: after, exclusiveStart: true })) {
    if (views.length === query.limit || looks++ === maxLooks) {
      return { records: views, ...(last !== undefined && { cursor: last.toString('base64url') }) }
    }
    last = Buffer.from(found)
    const loaded = records.load(last, now)
    if (loaded === undefined || isExpired(loaded.row, now)) continue
    if (query.state === undefined || loaded.row.state === query.state)
      views.push(viewOf(storeKeyOf(last), loaded.row, now))
  }
  return { records: views }
}

function readCursor(cursor: string): Buffer {
  const key = /^[\w-]{1,400}$/.test(cursor) ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0)
  if (isRecordKey(key)) return key
  throw new RetrysafeError('REQUEST_INVALID', 'the cursor takes what a page of this store gave')
}
