import { hash } from 'node:crypto'
import { itemKey } from '../engine/item-key.ts'

/** Enough of a SHA-256 that no two contents meet by chance. */
const fingerprintDigits = 32

/**
 * The key of one item of a batch: the same at every run of the batch, another once its content is another. It goes to
 * the provider. Items without custom id are told apart by their content and by how many alike came before.
 *
 * @param batchId where it is a path (it holds `/` or `\`) only a hash of it is part of the key
 * @param fingerprint SHA-256 of what the item asks for, 64 hexadecimal digits
 * @param occurrence 1 for the first item of this content without custom id; counts only there
 * @throws {RetrysafeError} `KEY_INVALID` for an id that is no well-formed Unicode
 */
export function batchItemKey(
  batchId: string,
  customId: string | undefined,
  fingerprint: string,
  occurrence: number,
): string {
  const content = fingerprint.slice(0, fingerprintDigits)
  // What stands behind the # has 32 characters in one case, fewer than 17 in the other: neither passes for the other.
  return itemKey(nameOf(batchId), customId === undefined ? `${content}#${occurrence}` : `${customId}#${content}`)
}

/** Where a file lies on this machine is nobody else's business. */
function nameOf(batchId: string): string {
  return /[/\\]/.test(batchId) ? `path-${hash('sha256', batchId, 'hex').slice(0, 32)}` : batchId
}
