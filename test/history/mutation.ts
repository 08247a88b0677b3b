import type { Operation, StepResult } from './operation.ts'

/** A lie put into a true history; undefined where there is nothing to lie about. */
export type Mutation = (operations: readonly Operation[], pick: (count: number) => number) => Operation[] | undefined

export const mutations: Record<string, Mutation> = {
  'a replay of another value': changeResult(({ result }) =>
    result?.kind === 'completed' ? { ...result, value: 'another value' } : undefined,
  ),
  'a replay of another fence': changeResult(({ result }) =>
    result?.kind === 'completed' ? { ...result, fence: result.fence + 1 } : undefined,
  ),
  'a complete that was never sent': (operations, pick) => {
    const shown = new Set(operations.flatMap(({ result }) => (result?.kind === 'completed' ? result.fence : [])))
    const place = pickPlace(operations, pick, ({ call }) => call.step === 'complete' && shown.has(call.fence))
    const dropped = place === undefined ? undefined : operations[place]?.call
    if (dropped?.step !== 'complete') return undefined
    return operations.filter(({ call }) => call.step !== 'complete' || call.fence !== dropped.fence)
  },
  'a forgotten outcome': changeResult(({ result }) =>
    result?.kind === 'completed' ? { kind: 'running', fence: result.fence } : undefined,
  ),
  'a second winner': changeResult(({ call, result }) =>
    call.step === 'claim' && result?.kind === 'running'
      ? { kind: 'acquired', fence: (result.fence ?? 0) + 1, owner: call.owner, attempt: 2, sent: true }
      : undefined,
  ),
  'an acquired fence that did not rise': changeResult(({ result }, operations) => {
    const first = operations.find(operation => operation.result?.kind === 'acquired')?.result
    if (result?.kind !== 'acquired' || first?.kind !== 'acquired' || result.fence <= first.fence) return undefined
    return { ...result, fence: first.fence }
  }),
  'another attempt': changeResult(({ result }) =>
    result?.kind === 'acquired' ? { ...result, attempt: result.attempt + 1 } : undefined,
  ),
  'running under another fence': changeResult(({ result }) =>
    result?.kind === 'running' && result.fence !== undefined ? { ...result, fence: result.fence - 1 } : undefined,
  ),
  'a write by a lost token': changeResult(({ call, result }) =>
    result?.kind === 'lost' && call.step !== 'release' && call.step !== 'claim' ? { kind: 'ok' } : undefined,
  ),
  'a write refused to its owner': changeResult(({ call, result }) =>
    result?.kind === 'ok' && (call.step === 'complete' || call.step === 'renew') ? { kind: 'lost' } : undefined,
  ),
  'an outcome for another payload': changeResult(({ result }, operations) => {
    const shown = operations.find(operation => operation.result?.kind === 'completed')?.result
    return result?.kind === 'mismatch' ? shown : undefined
  }),
}

function changeResult(
  change: (operation: Operation, operations: readonly Operation[]) => StepResult | undefined,
): Mutation {
  return (operations, pick) => {
    const place = pickPlace(operations, pick, operation => change(operation, operations) !== undefined)
    const operation = place === undefined ? undefined : operations[place]
    const result = operation === undefined ? undefined : change(operation, operations)
    if (operation === undefined || result === undefined) return undefined
    return operations.map(other => (other === operation ? { ...operation, result } : other))
  }
}

function pickPlace(
  operations: readonly Operation[],
  pick: (count: number) => number,
  isFit: (operation: Operation) => boolean,
): number | undefined {
  const places = operations.flatMap((operation, place) => (isFit(operation) ? place : []))
  return places.length === 0 ? undefined : places[pick(places.length)]
}
