import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import type {
  ClaimAnswer,
  ClaimTerms,
  LeaseChange,
  OperatorAnswer,
  ReleaseTerms,
} from '../../packages/retrysafe/src/engine/store.ts'
import type { Operation, StepCall, StepResult } from '../history/operation.ts'
import type { OperatorWish } from './action.ts'
import type { VirtualTime } from './virtual-time.ts'

/** An operation that may still return. */
export type OpenOperation = { -readonly [Name in keyof Operation]: Operation[Name] }

/** What each process asked of the store and was told, for the history checker; a second delivery is one more operation. */
export class HistoryLog {
  readonly operations: OpenOperation[] = []
  readonly #time: VirtualTime
  readonly #isKept: boolean

  /** @param isKept false: nobody will ask for it */
  constructor(time: VirtualTime, isKept: boolean) {
    this.#time = time
    this.#isKept = isKept
  }

  claim(process: string, terms: ClaimTerms, first?: OpenOperation): OpenOperation {
    const { key, owner, raw, canonical, leaseMs, retentionMs, onCrash, maxAttempts } = terms
    const said = { step: 'claim' as const, owner, raw, leaseMs, retentionMs, onCrash, maxAttempts }
    return this.#add(process, key, canonical === undefined ? said : { ...said, canonical }, first)
  }

  renew(process: string, key: StoreKey, token: Token, change: LeaseChange, first?: OpenOperation): OpenOperation {
    const { leaseMs, sent = false, canonical } = change
    const said = { step: 'renew' as const, ...nameOf(token), leaseMs, sent }
    return this.#add(process, key, canonical === undefined ? said : { ...said, canonical }, first)
  }

  append(
    process: string,
    key: StoreKey,
    token: Token,
    canonical: string | undefined,
    first?: OpenOperation,
  ): OpenOperation {
    const said = { step: 'append' as const, ...nameOf(token) }
    return this.#add(process, key, canonical === undefined ? said : { ...said, canonical }, first)
  }

  complete(
    process: string,
    key: StoreKey,
    token: Token,
    canonical: string | undefined,
    first?: OpenOperation,
  ): OpenOperation {
    const said = { step: 'complete' as const, ...nameOf(token), value: outcomeOf(token.fence) }
    return this.#add(process, key, canonical === undefined ? said : { ...said, canonical }, first)
  }

  release(process: string, key: StoreKey, token: Token, terms: ReleaseTerms, first?: OpenOperation): OpenOperation {
    const { end, cooldownMs, canonical } = terms
    const said = { step: 'release' as const, ...nameOf(token), end, cooldownMs }
    return this.#add(process, key, canonical === undefined ? said : { ...said, canonical }, first)
  }

  operate(process: string, key: StoreKey, fence: number, act: OperatorWish): OpenOperation {
    if (act !== 'purge' && act !== 'force') return this.#add(process, key, { step: act, fence })
    return this.#add(process, key, { step: 'purge', fence, force: act === 'force' })
  }

  claimed(operation: OpenOperation, answer: ClaimAnswer): void {
    this.#return(operation, resultOf(answer))
  }

  returned(operation: OpenOperation, kind: 'ok' | 'lost' | 'busy' | 'dup' | 'gap' | 'resurrected'): void {
    this.#return(operation, { kind })
  }

  operated(operation: OpenOperation, kind: OperatorAnswer): void {
    this.#return(operation, { kind })
  }

  #add(process: string, key: StoreKey, call: StepCall, first?: OpenOperation): OpenOperation {
    const operation: OpenOperation = { process, key, call, invokedAtMs: first?.invokedAtMs ?? this.#time.nowMs }
    if (this.#isKept) this.operations.push(operation)
    return operation
  }

  #return(operation: OpenOperation, result: StepResult): void {
    operation.returnedAtMs = this.#time.nowMs
    operation.result = result
  }
}

function nameOf({ fence, owner }: Token): { fence: number; owner: string } {
  return { fence, owner }
}

/** A token completes at most once, so its fence names the outcome; its bytes are compared elsewhere. */
function outcomeOf(fence: number): string {
  return `outcome of ${fence}`
}

function resultOf(answer: ClaimAnswer): StepResult {
  switch (answer.kind) {
    case 'acquired': {
      const { token, attempt, sent } = answer
      return { kind: 'acquired', ...nameOf(token), attempt, sent }
    }
    case 'completed':
      return { kind: 'completed', fence: answer.fence, value: outcomeOf(answer.fence) }
    case 'running':
    case 'undecided':
    case 'cooling':
      return { kind: answer.kind, fence: answer.fence }
    case 'mismatch':
      return answer
    case 'unknown':
      return { kind: 'unknown', attempt: answer.attempt }
  }
}
