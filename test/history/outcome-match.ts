import { claimOutcomes } from './claim-model.ts'
import { anybody } from './key-history.ts'
import type { StepCall, StepResult } from './operation.ts'
import type { Outcome, Row, Span, State, World } from './record-model.ts'
import { getOutcomes, operatorOutcomes, writeOutcomes } from './write-model.ts'

/** Every way `call` may go in `state`, whatever its answer was. */
export function outcomesOf(state: State, call: StepCall, at: Span, world: World): Outcome[] {
  switch (call.step) {
    case 'claim':
      return claimOutcomes(state.row, call, at, world)
    case 'renew':
    case 'append':
    case 'complete':
    case 'release':
      return writeOutcomes(state, call, at, world)
    case 'purge':
    case 'resolve':
    case 'cancel':
      return operatorOutcomes(state, call, at, world)
    case 'get':
      return getOutcomes(state, at, world)
  }
}

/** The states that `result` leaves possible; `state` itself where nothing changed. */
export function statesAfter(state: State, call: StepCall, result: StepResult, at: Span, world: World): State[] {
  const states: State[] = []
  for (const outcome of outcomesOf(state, call, at, world)) {
    const next = stateAfter(state, call, outcome, result)
    if (next !== undefined) states.push(next)
  }
  return states
}

function stateAfter(state: State, call: StepCall, { answer, next }: Outcome, result: StepResult): State | undefined {
  if (!sameBut(answer, result)) return undefined
  const answered = 'fence' in answer ? answer.fence : undefined
  const told = 'fence' in result ? result.fence : undefined
  if (answered !== undefined && told !== undefined && answered !== told) {
    // Told for the first time: above every fence told before.
    if (answered !== 0 || told <= state.toldFence) return undefined
    return told > 0 && next !== undefined ? { row: { ...next, fence: told }, toldFence: told } : undefined
  }
  if (next === state.row) return state
  const named = 'fence' in call && answer.kind === 'ok' ? call.fence : 0
  return { row: next, toldFence: Math.max(state.toldFence, next?.fence ?? 0, named) }
}

/** Equal in everything but the fence. */
function sameBut(answer: StepResult, result: StepResult): boolean {
  switch (answer.kind) {
    case 'acquired':
      return (
        result.kind === 'acquired' &&
        result.owner === answer.owner &&
        result.attempt === answer.attempt &&
        result.sent === answer.sent
      )
    case 'completed':
      return result.kind === 'completed' && result.value === answer.value
    case 'unknown':
      return result.kind === 'unknown' && result.attempt === answer.attempt
    case 'ok':
      return (
        result.kind === 'ok' && (result.cancelled === undefined || result.cancelled === (answer.cancelled ?? false))
      )
    case 'view':
      return result.kind === 'view' && result.state === answer.state && result.attempt === answer.attempt
    default:
      return result.kind === answer.kind
  }
}

/** A name for a state: equal names, equal futures. */
export function stateName({ row, toldFence }: State): string {
  return row === undefined ? `absent ${toldFence}` : `${rowName(row)} ${toldFence}`
}

function rowName(row: Row): string {
  const who = `${row.state} ${row.fence} ${ownerName(row.owner)} ${row.attempt}/${row.maxAttempts} ${row.onCrash} ${row.sent}`
  const what = `${row.takenOver} ${row.cancelled} ${row.raw} ${row.canonical} ${row.value} ${row.retentionMs}`
  return `${who} ${what} ${row.leasedFromMs} ${spanName(row.lease)} ${spanName(row.cooldown)} ${spanName(row.expires)}`
}

function ownerName(owner: string): string {
  return owner.startsWith(anybody) ? anybody : owner
}

function spanName(span: Span): string {
  return `${span.loMs}-${span.hiMs}`
}
