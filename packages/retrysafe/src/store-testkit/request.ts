import type { AttemptEnd, StoreKey, Token } from '../engine/record.ts'
import type { ClaimTerms, PairOffer, StepTerms, Store } from '../engine/store.ts'
import type { Fingerprint } from '../fingerprint/fingerprint.ts'
import { bytesOf } from './trial.ts'

interface OnRecord {
  readonly key: StoreKey
  readonly token: Token
}

interface WithCanonical {
  readonly canonical: Fingerprint | undefined
}

export type PieceRequest = { kind: 'append' | 'complete'; offset: number; text: string } & OnRecord & WithCanonical

/** One request to a store, letter for letter, so that it can be sent again. Bytes are latin-1 text. */
export type Request =
  | { kind: 'claim'; terms: ClaimTerms }
  | ({ kind: 'renew'; leaseMs: number; sent: boolean } & OnRecord & WithCanonical)
  | PieceRequest
  | ({ kind: 'release'; end: AttemptEnd; cooldownMs: number } & OnRecord & WithCanonical)
  | ({ kind: 'stepStart'; step: StepTerms } & OnRecord)
  | ({ kind: 'stepPut'; id: string; value: string } & OnRecord)
  | ({ kind: 'cancel' | 'resolve' } & OnRecord)
  | ({ kind: 'purge'; force: boolean } & OnRecord)
  | { kind: 'offer'; pair: string; offer: PairOffer }
  | { kind: 'take'; pair: string; count: number; owner: string }

/** Sends it. */
export async function send(store: Store, request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'claim':
      return store.claim(request.terms)
    case 'offer':
      return store.offer(request.pair, request.offer)
    case 'take':
      return store.take(request.pair, { count: request.count, owner: request.owner })
    default:
      return sendOnRecord(store, request)
  }
}

async function sendOnRecord(store: Store, request: Exclude<Request, { kind: 'claim' | 'offer' | 'take' }>) {
  const { key, token } = request
  const canonical =
    'canonical' in request && request.canonical !== undefined ? { canonical: request.canonical } : undefined
  switch (request.kind) {
    case 'renew':
      return store.renew(key, token, { leaseMs: request.leaseMs, sent: request.sent, ...canonical })
    case 'append':
    case 'complete':
      return store[request.kind](key, token, {
        offsetBytes: request.offset,
        bytes: bytesOf(request.text),
        ...canonical,
      })
    case 'release':
      return store.release(key, token, { end: request.end, cooldownMs: request.cooldownMs, ...canonical })
    case 'stepStart':
      return store.stepStart(key, token, request.step)
    case 'stepPut':
      return store.stepPut(key, token, { id: request.id, value: bytesOf(request.value) })
    case 'cancel':
      return store.cancel(key, token.fence)
    case 'resolve':
      return store.resolve(key, token.fence)
    case 'purge':
      return store.purge(key, token.fence, { force: request.force })
  }
}
