import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import type { ClaimAnswer, LogPiece, Store } from '../../packages/retrysafe/src/engine/store.ts'
import type { Fingerprint } from '../../packages/retrysafe/src/fingerprint/fingerprint.ts'
import type { StepCall, StepResult } from './operation.ts'

/** Makes the step that `call` describes; a complete stores its value as the whole log. */
export async function performStep(store: Store, name: string, call: StepCall): Promise<StepResult> {
  const key = name as StoreKey
  switch (call.step) {
    case 'claim': {
      const { owner, leaseMs, retentionMs, onCrash, maxAttempts } = call
      const terms = { key, raw: call.raw as Fingerprint, owner, leaseMs, retentionMs, onCrash, maxAttempts }
      const label = { operation: 'default', tenant: 'tenant00' }
      return claimResult(await store.claim({ ...terms, ...canonicalOf(call), label }))
    }
    case 'renew': {
      const answer = await store.renew(key, tokenOf(call), {
        leaseMs: call.leaseMs,
        sent: call.sent,
        ...canonicalOf(call),
      })
      return answer.kind === 'ok' ? { kind: 'ok', cancelled: answer.cancelled } : answer
    }
    case 'append': {
      const { kind } = await store.append(key, tokenOf(call), pieceOf('', call))
      return { kind }
    }
    case 'complete':
      return { kind: await store.complete(key, tokenOf(call), pieceOf(call.value, call)) }
    case 'release': {
      const { end, cooldownMs } = call
      return { kind: await store.release(key, tokenOf(call), { end, cooldownMs, ...canonicalOf(call) }) }
    }
    case 'purge':
      return { kind: await store.purge(key, call.fence, { force: call.force ?? false }) }
    case 'resolve':
      return { kind: await store.resolve(key, call.fence) }
    case 'cancel':
      return { kind: await store.cancel(key, call.fence) }
    case 'get': {
      const view = await store.get(key)
      if (view === undefined) return { kind: 'absent' }
      return { kind: 'view', state: view.state, fence: view.fence, attempt: view.attempt }
    }
  }
}

/** What matters of a claim's answer. */
export function claimResult(answer: ClaimAnswer): StepResult {
  switch (answer.kind) {
    case 'acquired': {
      const { fence, owner } = answer.token
      return { kind: 'acquired', fence, owner, attempt: answer.attempt, sent: answer.sent }
    }
    case 'completed':
      return { kind: 'completed', fence: answer.fence, value: new TextDecoder().decode(answer.log.bytes) }
    case 'running':
    case 'undecided':
    case 'cooling':
      return { kind: answer.kind, fence: answer.fence }
    case 'mismatch':
      return { kind: 'mismatch' }
    case 'unknown':
      return { kind: 'unknown', attempt: answer.attempt }
  }
}

function tokenOf({ fence, owner }: { fence: number; owner: string }): Token {
  return { fence, owner }
}

function pieceOf(value: string, call: { canonical?: string }): LogPiece {
  return { offsetBytes: 0, bytes: new TextEncoder().encode(value), ...canonicalOf(call) }
}

function canonicalOf(call: { canonical?: string }): { canonical?: Fingerprint } {
  return call.canonical === undefined ? {} : { canonical: call.canonical as Fingerprint }
}
