import { type Explanation, explain, type Invariant } from './explanation.ts'
import { printHistory } from './history-table.ts'
import { keyHistory } from './key-history.ts'
import { findLinearization } from './linearization.ts'
import type { Death, History, HistoryOptions, Operation } from './operation.ts'

export type Violation =
  | {
      kind: 'refused'
      key: string
      invariant: Invariant
      what: string
      /** The shortest beginning of the key's history that has no explanation. */
      prefix: readonly Operation[]
      /** All of it for a human. */
      text: string
    }
  /** Not decided within `maxSteps`: neither right nor wrong. Callers count these and may not pass over them. */
  | { kind: 'too hard'; key: string; steps: number; text: string }

const [fixedSteps, stepsPerOperation] = [200_000, 100]

/**
 * Whether, for every key, some order of its operations explains all answers: each operation at one point between its
 * invoke and its return (an unanswered one at any point after its invoke, or never), every answer allowed by the state
 * table of docs/protocol.md at that point.
 *
 * Time is nondeterministic within what invokes and returns leave open: a takeover is refused only if the lease and the
 * grace cannot have been over, a replay only if the record must have expired.
 *
 * @returns no violation, or at most one for each key
 */
export function checkHistory(history: History): Violation[] {
  const { deaths = [], options = {} } = history
  const byKey = new Map<string, Operation[]>()
  for (const operation of history.operations) {
    const list = byKey.get(operation.key)
    if (list === undefined) byKey.set(operation.key, [operation])
    else list.push(operation)
  }
  const violations: Violation[] = []
  for (const [key, operations] of byKey) {
    const violation = checkKey(key, operations, deaths, options)
    if (violation !== undefined) violations.push(violation)
  }
  return violations
}

function checkKey(
  key: string,
  operations: readonly Operation[],
  deaths: readonly Death[],
  options: HistoryOptions,
): Violation | undefined {
  const maxSteps = options.maxSteps ?? fixedSteps + stepsPerOperation * operations.length
  const found = findLinearization(keyHistory(operations, deaths, options), maxSteps)
  if (found.kind === 'found') return undefined
  if (found.kind === 'too hard') {
    const text = `${key}: too hard, ${found.steps} steps\n${printHistory(operations)}`
    return { kind: 'too hard', key, steps: found.steps, text }
  }
  const { untilMs, explanation } = shortest(operations, deaths, options, maxSteps)
  const prefix = operations.filter(operation => operation.invokedAtMs <= untilMs).map(cutAt(untilMs))
  const { invariant, what } = explanation
  const text = `${key}: ${invariant}: ${what}\n${printHistory(prefix)}`
  return { kind: 'refused', key, invariant, what, prefix, text }
}

/** A history's beginning is never harder to explain than the whole, so the first one that fails can be halved for. */
function shortest(
  operations: readonly Operation[],
  deaths: readonly Death[],
  options: HistoryOptions,
  maxSteps: number,
): { untilMs: number; explanation: Explanation } {
  const returns = [...new Set(operations.flatMap(({ returnedAtMs }) => returnedAtMs ?? []))].sort((a, b) => a - b)
  let [low, high] = [0, returns.length - 1]
  const search = (place: number): Explanation | undefined => {
    const beginning = keyHistory(operations, deaths, options, returns[place])
    const result = findLinearization(beginning, maxSteps)
    return result.kind === 'none' ? explain(result.deadEnd, beginning.world) : undefined
  }
  let explanation = search(high)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const failed = search(middle)
    if (failed === undefined) low = middle + 1
    else {
      high = middle
      explanation = failed
    }
  }
  explanation ??= { invariant: 'state table', what: 'the whole history fails, its shortest beginning is too hard' }
  return { untilMs: returns[high] ?? 0, explanation }
}

function cutAt(untilMs: number): (operation: Operation) => Operation {
  return operation => {
    if (operation.returnedAtMs === undefined || operation.returnedAtMs <= untilMs) return operation
    const { process, key, call, invokedAtMs } = operation
    return { process, key, call, invokedAtMs }
  }
}
