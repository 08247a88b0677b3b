import type { StoreKey, Token } from '../../src/engine/record.ts'
import type { ClaimAnswer, ClaimTerms, LogPiece, Store } from '../../src/engine/store.ts'
import type { Fingerprint } from '../../src/fingerprint/fingerprint.ts'

export function keyOf(name: string): StoreKey {
  return name as StoreKey
}

export function fingerprintOf(name: string): Fingerprint {
  return name as Fingerprint
}

export const day = 86_400_000

/** A claim on key `k` by owner `a` with payload `raw-1`: lease 30 s, retention 1 d, rerun, 3 attempts. */
export function claimTerms(change: Partial<ClaimTerms> = {}): ClaimTerms {
  return {
    key: keyOf('k'),
    raw: fingerprintOf('raw-1'),
    owner: 'a',
    leaseMs: 30_000,
    retentionMs: day,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'default', tenant: 'tenant00' },
    ...change,
  }
}

/** Claims and must get it. */
export async function acquire(
  store: Store,
  change: Partial<ClaimTerms> = {},
): Promise<Extract<ClaimAnswer, { kind: 'acquired' }>> {
  const answer = await store.claim(claimTerms(change))
  if (answer.kind !== 'acquired') throw new Error(`the claim was not acquired but ${JSON.stringify(answer)}`)
  return answer
}

export async function acquireToken(store: Store, change: Partial<ClaimTerms> = {}): Promise<Token> {
  return (await acquire(store, change)).token
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes)
}

export function piece(offsetBytes: number, text: string, canonical?: string): LogPiece {
  const bytes = bytesOf(text)
  return canonical === undefined ? { offsetBytes, bytes } : { offsetBytes, bytes, canonical: fingerprintOf(canonical) }
}
