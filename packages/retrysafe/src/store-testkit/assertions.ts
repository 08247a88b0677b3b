import assert from 'node:assert/strict'
import { RetrysafeError } from '../engine/errors.ts'

/** The value with all bytes as latin-1 text, so that answers compare with literals whatever kind of bytes came. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

/** The whole answer, bytes given as text. */
export function assertAnswer(actual: unknown, expected: unknown): void {
  assert.deepEqual(plain(actual), plain(expected))
}

/** What `expected` names; the answer may say more. */
export function assertMatches(actual: unknown, expected: Readonly<Record<string, unknown>>): void {
  assert.deepEqual(picked(plain(actual), expected), plain(expected))
}

function picked(actual: unknown, expected: unknown): unknown {
  if (!isRecord(actual) || !isRecord(expected)) return actual
  return Object.fromEntries(Object.entries(expected).map(([name, member]) => [name, picked(actual[name], member)]))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function assertBetween(actual: number | undefined, from: number, to: number, what: string): void {
  assert.ok(actual !== undefined && actual >= from && actual <= to, `${what}: ${actual} is not in ${from} to ${to}`)
}

/** How many of `answers` say what: `{ acquired: 1, running: 49 }`. */
export function tally(answers: readonly (string | { kind: string })[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    const kind = typeof answer === 'string' ? answer : answer.kind
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** The promise rejects with a `RetrysafeError` of this code. */
export async function assertRejects(promise: Promise<unknown>, code: string, what: string): Promise<void> {
  const outcome = await promise.then(
    answer => ({ answer }),
    (error: unknown) => ({ error }),
  )
  if ('answer' in outcome) assert.fail(`${what} answered ${JSON.stringify(plain(outcome.answer))} instead of ${code}`)
  assert.ok(outcome.error instanceof RetrysafeError, `${what} rejected with ${String(outcome.error)}`)
  assert.equal(outcome.error.code, code, what)
}
