import { canonicalPairs, querySpelling } from './form.ts'

/** A parameter named `key`, also where that is spelled with percent signs. */
const credential = /^(?:k|%6[bB])(?:e|%65)(?:y|%79)(?:=|$)/

/** The parameters that are a credential, as sent: they name the tenant, and so never the request. An empty one is none. */
export function credentialOf(query: string): string | undefined {
  if (query === '') return undefined
  const found = query.split('&').filter(parameter => credential.test(parameter) && /=./.test(parameter))
  return found.length === 0 ? undefined : found.join('&')
}

/**
 * The query with its parameters in the order of their names (repeated ones as they come) and without the credential.
 * Triplets of unreserved characters are written out (RFC 3986 §6.2.2.2).
 *
 * @example
 * canonicalQuery('b=2&a=1&k%65y=secret') // 'a=1&b=2'
 */
export function canonicalQuery(query: string): string {
  if (query === '') return ''
  const counted = query.split('&').filter(parameter => parameter !== '' && !credential.test(parameter))
  const joined = counted.join('&')
  if (counted.length < 2 && !joined.includes('%')) return joined
  const pairs = canonicalPairs(Buffer.from(joined, 'latin1'), querySpelling)
  // More pairs than it takes fit into no head of a request; then they count as they stand.
  return pairs.kind === 'canonical' ? Buffer.from(pairs.bytes).toString('latin1') : joined
}
