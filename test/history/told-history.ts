import { describe, expect, test } from 'vitest'
import { checkHistory } from './check-history.ts'
import type { History, HistoryOptions, Operation, StepCall, StepResult } from './operation.ts'

/** `legal`, or the invariant that is broken, or `too hard`. */
export function verdict(history: History): string {
  const violation = checkHistory(history)[0]
  if (violation === undefined) return 'legal'
  return violation.kind === 'refused' ? violation.invariant : violation.kind
}

type Case = [name: string, verdict: string, operations: Operation[], options?: HistoryOptions]

export function describeCases(group: string, cases: Case[]): void {
  describe(group, () => {
    test.each(cases)('%s: %s', (_name, expected, operations, options) => {
      expect(verdict({ operations, options: options ?? {} })).toBe(expected)
    })
  })
}

/** A history of key `k`, told in one line an operation. Owner `a` calls as process `pa`. */
export function told(...operations: Operation[]): { operations: Operation[] } {
  return { operations }
}

/** What `call` answered between two moments, in ms. */
export function op(invokedAtMs: number, returnedAtMs: number, call: StepCall, result: StepResult): Operation {
  return { process: processOf(call), key: 'k', call, invokedAtMs, returnedAtMs, result }
}

/** A call that nobody saw an answer of. */
export function unanswered(invokedAtMs: number, call: StepCall): Operation {
  return { process: processOf(call), key: 'k', call, invokedAtMs }
}

function processOf(call: StepCall): string {
  return 'owner' in call ? `p${call.owner}` : 'operator'
}

type ClaimCall = Extract<StepCall, { step: 'claim' }>

/** Payload `r`, lease 10 s, retention 1 min, rerun, 3 attempts. */
export function claim(owner: string, change: Partial<ClaimCall> = {}): ClaimCall {
  const terms = { leaseMs: 10_000, retentionMs: 60_000, onCrash: 'rerun', maxAttempts: 3 } as const
  return { step: 'claim', owner, raw: 'r', ...terms, ...change }
}

export function acquired(fence: number, owner: string, attempt = 1, sent = true): StepResult {
  return { kind: 'acquired', fence, owner, attempt, sent }
}

export function completed(fence: number, value: string): StepResult {
  return { kind: 'completed', fence, value }
}

export function running(fence: number): StepResult {
  return { kind: 'running', fence }
}

export function complete(fence: number, owner: string, value: string): StepCall {
  return { step: 'complete', fence, owner, value }
}

export function renew(fence: number, owner: string, sent = false, leaseMs = 10_000): StepCall {
  return { step: 'renew', fence, owner, leaseMs, sent }
}

export function release(
  fence: number,
  owner: string,
  end: 'free' | 'failed' | 'broken' | 'cancelled',
  cooldownMs = 0,
): StepCall {
  return { step: 'release', fence, owner, end, cooldownMs }
}

export const ok: StepResult = { kind: 'ok' }
export const lost: StepResult = { kind: 'lost' }
export const mismatch: StepResult = { kind: 'mismatch' }
export const unknownOnce: StepResult = { kind: 'unknown', attempt: 1 }

/** Where most of these histories begin. */
export const begun: Operation = op(0, 10, claim('a'), acquired(1, 'a'))
