import { expect, test } from 'vitest'
import { checkEffects, type EffectTerms } from './check-effects.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Operation } from './operation.ts'
import { claim, complete, lost, ok, op, release, unanswered } from './told-history.ts'

const rerun: EffectTerms = { onCrash: 'rerun', maxAttempts: 2 }
const fail: EffectTerms = { onCrash: 'fail', maxAttempts: 3 }

/** Owner and process of fence 1 are `o1` and `p1`, and so on. */
function dispatched(fence: number, attempt: number, atMs: number): LedgerEntry {
  return { process: `p${fence}`, key: 'k', owner: `o${fence}`, fence, attempt, phase: 'dispatched', atMs }
}

function reported(fence: number, attempt: number, atMs: number): LedgerEntry {
  return { ...dispatched(fence, attempt, atMs), phase: 'reported' }
}

function verdict(entries: LedgerEntry[], terms: EffectTerms, operations: Operation[] = []): string {
  const violations = checkEffects(entries, new Map([['k', terms]]), operations)
  return violations.map(({ invariant, what }) => `${invariant}: ${what}`).join('\n')
}

const twice = [dispatched(1, 1, 10), dispatched(2, 2, 20)]
const thrice = [...twice, dispatched(3, 3, 30)]

test('rerun: as many unreported dispatches as the cap, not one more', () => {
  expect(verdict(twice, rerun)).toBe('')
  expect(verdict(thrice, rerun)).toBe('I4: 3 dispatches without a reported failure under rerun, at most 2')
})

test('fail: one', () => {
  expect(verdict([dispatched(1, 1, 10)], fail)).toBe('')
  expect(verdict(twice, fail)).toBe('I4: 2 dispatches without a reported failure under fail, at most 1')
})

test('the order of the ledgers does not matter', () => {
  expect(verdict([...thrice].reverse(), rerun)).toBe(
    'I4: 3 dispatches without a reported failure under rerun, at most 2',
  )
})

test('a reported failure does not count, under its own token only', () => {
  expect(verdict([dispatched(1, 1, 10), reported(1, 1, 15), dispatched(2, 1, 20)], fail)).toBe('')
  expect(verdict([dispatched(1, 1, 10), reported(2, 1, 15), dispatched(3, 2, 20)], fail)).toBe(
    'I4: 2 dispatches without a reported failure under fail, at most 1',
  )
})

test('one report excuses one dispatch of its token', () => {
  const entries = [dispatched(1, 1, 10), dispatched(1, 1, 12), reported(1, 1, 15)]
  expect(verdict(entries, fail)).toBe('')
  expect(verdict([...entries, dispatched(1, 1, 16)], fail)).toBe(
    'I4: 2 dispatches without a reported failure under fail, at most 1',
  )
})

test('a record that was forgotten begins at attempt 1 again: still the same incarnation', () => {
  expect(verdict([dispatched(1, 1, 10), dispatched(2, 1, 20)], fail)).toBe(
    'I4: 2 dispatches without a reported failure under fail, at most 1',
  )
})

const again = [dispatched(1, 1, 10), dispatched(2, 1, 1_000)]

test.each<[string, Operation]>([
  ['a purge', op(500, 510, { step: 'purge', fence: 1, force: true }, ok)],
  ['a purge without answer', unanswered(500, { step: 'purge', fence: 1, force: true })],
  ['a resolve', op(500, 510, { step: 'resolve', fence: 1 }, ok)],
  ['a cancelled attempt', op(500, 510, release(1, 'o1', 'cancelled'), ok)],
  ['a freed attempt', op(500, 510, release(1, 'o1', 'free'), ok)],
])('%s between them ends the incarnation', (_name, operation) => {
  expect(verdict(again, fail, [operation])).toBe('')
})

test.each<[string, Operation]>([
  ['a purge that named another fence', op(500, 510, { step: 'purge', fence: 2, force: true }, { kind: 'changed' })],
  ['a purge that came later', op(1_500, 1_510, { step: 'purge', fence: 1, force: true }, ok)],
  ['a resolve that was refused', op(500, 510, { step: 'resolve', fence: 1 }, { kind: 'refused' })],
  ['a release that was lost', op(500, 510, release(1, 'o1', 'cancelled'), lost)],
  ['a broken attempt', op(500, 510, release(1, 'o1', 'broken'), ok)],
])('%s does not', (_name, operation) => {
  expect(verdict(again, fail, [operation])).toBe('I4: 2 dispatches without a reported failure under fail, at most 1')
})

test('a dispatch that came after its record was purged belongs to that record', () => {
  const purged = op(5, 8, { step: 'purge', fence: 1, force: true }, ok)
  const claimed = op(1, 2, claim('o1'), { kind: 'acquired', fence: 1, owner: 'o1', attempt: 1, sent: true })
  expect(verdict(again, fail, [claimed, purged])).toBe('')
})

test('the retention ends an incarnation, and not before', () => {
  expect(verdict(again, { ...fail, retentionMs: 990 })).toBe('')
  expect(verdict(again, { ...fail, retentionMs: 991 })).toBe(
    'I4: 2 dispatches without a reported failure under fail, at most 1',
  )
})

test('what was completed was dispatched under that token', () => {
  const operations = [op(20, 30, complete(1, 'o1', 'v'), ok)]
  expect(verdict([dispatched(1, 1, 10)], rerun, operations)).toBe('')
  expect(verdict([dispatched(2, 1, 10)], rerun, operations)).toBe(
    'I2: fence 1 of o1 was completed and never dispatched',
  )
})

test('a key without terms is an error', () => {
  expect(() => checkEffects([dispatched(1, 1, 10)], new Map())).toThrow('no terms for key k')
})
