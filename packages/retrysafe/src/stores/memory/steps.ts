import type { StoreKey, Token } from '../../engine/record.ts'
import type { StepPutAnswer, StepStartAnswer, StepTerms } from '../../engine/store.ts'
import type { StoreTime } from '../row/row.ts'
import { isRunningMine } from '../row/write.ts'
import type { Entries } from './entries.ts'

/** Begins a step, or answers what it gave before. Sent twice by the same attempt, it has begun once. */
export function startStep(
  entries: Entries,
  key: StoreKey,
  token: Token,
  terms: StepTerms,
  now: StoreTime,
): StepStartAnswer {
  const entry = entries.get(key)
  if (entry === undefined || !isRunningMine(entry.row, token, now)) return { kind: 'lost' }
  const stored = entry.steps?.get(terms.id)
  if (stored === undefined) {
    entries.put(key, { ...entry.row, steps: entry.row.steps + 1 })
    entries.putStep(key, terms.id, { input: terms.input, attempt: 1, fence: token.fence })
    return { kind: 'begun', attempt: 1 }
  }
  if (stored.input !== terms.input) return { kind: 'changed' }
  if (stored.value !== undefined) return { kind: 'exists', value: stored.value }
  if (stored.fence === token.fence) return { kind: 'begun', attempt: stored.attempt }
  // An older attempt began it and told nothing: the policy counts per step.
  if (terms.onCrash === 'fail' || stored.attempt >= terms.maxAttempts)
    return { kind: 'unknown', attempt: stored.attempt }
  const attempt = stored.attempt + 1
  entries.putStep(key, terms.id, { input: stored.input, attempt, fence: token.fence })
  return { kind: 'begun', attempt }
}

/** Keeps a step's value; the first one stays. */
export function storeStep(
  entries: Entries,
  key: StoreKey,
  token: Token,
  step: { id: string; value: Uint8Array },
  now: StoreTime,
): StepPutAnswer {
  const entry = entries.get(key)
  if (entry === undefined || !isRunningMine(entry.row, token, now)) return { kind: 'lost' }
  const stored = entry.steps?.get(step.id)
  if (stored === undefined) return { kind: 'lost' }
  if (stored.value === undefined) {
    entries.putStep(key, step.id, { ...stored, value: step.value })
    return { kind: 'ok' }
  }
  return Buffer.compare(stored.value, step.value) === 0 ? { kind: 'ok' } : { kind: 'exists', value: stored.value }
}
