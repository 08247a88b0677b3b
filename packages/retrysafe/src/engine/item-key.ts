import { hash } from 'node:crypto'
import { maxKeyLength } from '../protocol/key.ts'
import { RetrysafeError } from './errors.ts'

/**
 * The key of one item of a batch: the same whenever the batch is run again. Both names can be read in it, and no choice
 * of names makes two items look like one. Where it would be longer than 255 characters it is a hash of both.
 *
 * @throws {RetrysafeError} `KEY_INVALID` for an empty name, or one that is no well-formed Unicode
 * @example
 * itemKey('nightly-2024-05-01', 'doc 7') // 'nightly-2024-05-01:doc%207'
 */
export function itemKey(batch: string, customId: string): string {
  const key = `${escaped('batch', batch)}:${escaped('customId', customId)}`
  // Without a colon: equal to no readable one.
  return key.length <= maxKeyLength ? key : `item-${hash('sha256', key, 'hex')}`
}

function escaped(what: string, name: string): string {
  if (typeof name !== 'string' || name === '' || /\p{Surrogate}/u.test(name))
    throw new RetrysafeError('KEY_INVALID', `itemKey: ${what} takes a text that is not empty, well-formed Unicode`)
  return encodeURIComponent(name)
}
