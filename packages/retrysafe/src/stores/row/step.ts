import type { Token } from '../../engine/record.ts'
import type { StepPutAnswer, StepStartAnswer, StepTerms } from '../../engine/store.ts'
import type { Fingerprint } from '../../fingerprint/fingerprint.ts'
import type { Row, StoreTime } from './row.ts'
import { isRunningMine } from './write.ts'

export interface StoredStep {
  readonly input: Fingerprint
  readonly attempt: number
  /** The attempt that began it last. */
  readonly fence: number
  readonly value?: Uint8Array
}

/** What a step of an operation does to its record: nothing, or a row and a step that are put together. */
export interface StepOutcome<Answer> {
  readonly answer: Answer
  readonly change?: { readonly row: Row; readonly step: StoredStep }
}

/** Begins a step, or answers what it gave before. Sent twice by the same attempt, it has begun once. */
export function startStep(
  row: Row | undefined,
  stored: StoredStep | undefined,
  token: Token,
  terms: StepTerms,
  now: StoreTime,
): StepOutcome<StepStartAnswer> {
  if (!isRunningMine(row, token, now)) return { answer: { kind: 'lost' } }
  const { fence } = token
  if (stored === undefined) {
    const step = { input: terms.input, attempt: 1, fence }
    return { answer: { kind: 'begun', attempt: 1 }, change: { row: { ...row, steps: row.steps + 1 }, step } }
  }
  if (stored.input !== terms.input) return { answer: { kind: 'changed' } }
  if (stored.value !== undefined) return { answer: { kind: 'exists', value: stored.value } }
  if (stored.fence === fence) return { answer: { kind: 'begun', attempt: stored.attempt } }
  // An older attempt began it and told nothing: the policy counts per step.
  if (terms.onCrash === 'fail' || stored.attempt >= terms.maxAttempts)
    return { answer: { kind: 'unknown', attempt: stored.attempt } }
  const attempt = stored.attempt + 1
  return { answer: { kind: 'begun', attempt }, change: { row, step: { input: stored.input, attempt, fence } } }
}

/** Keeps a step's value; the first one stays. */
export function keepStepValue(
  row: Row | undefined,
  stored: StoredStep | undefined,
  token: Token,
  value: Uint8Array,
  now: StoreTime,
): StepOutcome<StepPutAnswer> {
  if (!isRunningMine(row, token, now) || stored === undefined) return { answer: { kind: 'lost' } }
  if (stored.value === undefined) return { answer: { kind: 'ok' }, change: { row, step: { ...stored, value } } }
  const isSame = Buffer.compare(stored.value, value) === 0
  return { answer: isSame ? { kind: 'ok' } : { kind: 'exists', value: stored.value } }
}
