import { RetrysafeError } from '../../engine/errors.ts'
import { keyBytes } from '../packed-names.ts'
import { isPackedText } from '../packed-text.ts'

/**
 * Where a page of a listing begins.
 *
 * @throws {RetrysafeError} `REQUEST_INVALID`
 */
export function readCursor(cursor: string | undefined): Buffer | null {
  if (cursor === undefined) return null
  const name = /^[\w-]{1,400}$/.test(cursor) ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0)
  if (isPackedText(name, keyBytes)) return name
  throw new RetrysafeError('REQUEST_INVALID', 'the cursor takes what a page of this store gave')
}
