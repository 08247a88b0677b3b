import type { StepTerms } from '../engine/store.ts'
import type { ModelRecord } from './model-record.ts'

export function startStep(record: ModelRecord, { id, input, onCrash, maxAttempts }: StepTerms): unknown {
  const fence = record.token.fence
  const step = record.steps.get(id)
  if (step === undefined) {
    record.steps.set(id, { input, attempt: 1, fence, value: undefined })
    return { kind: 'begun', attempt: 1 }
  }
  if (step.input !== input) return { kind: 'changed' }
  if (step.value !== undefined) return { kind: 'exists', value: step.value }
  if (step.fence !== fence) {
    if (onCrash === 'fail' || step.attempt >= maxAttempts) return { kind: 'unknown', attempt: step.attempt }
    Object.assign(step, { attempt: step.attempt + 1, fence })
  }
  return { kind: 'begun', attempt: step.attempt }
}

export function putStep(record: ModelRecord, id: string, value: string): unknown {
  const step = record.steps.get(id)
  if (step === undefined) return { kind: 'lost' }
  step.value ??= value
  return step.value === value ? { kind: 'ok' } : { kind: 'exists', value: step.value }
}
