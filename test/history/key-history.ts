import type { Death, HistoryOptions, Operation, StepCall, StepResult } from './operation.ts'
import type { UnansweredWrite, World } from './record-model.ts'

/** An answered operation. */
export interface Answered {
  readonly call: StepCall
  readonly result: StepResult
  readonly fromMs: number
  readonly untilMs: number
  readonly operation: Operation
}

/** An operation without answer that may have changed the record, once, or not at all. */
export interface Unanswered {
  readonly call: StepCall
  readonly fromMs: number
  readonly untilMs: number
  /** The place of an equal one before it: of two equals the earlier one is tried first. */
  readonly twin: number | undefined
}

/** One key's history, made ready for the search. */
export interface KeyHistory {
  /** By invoke. */
  readonly answered: readonly Answered[]
  /** By invoke. */
  readonly unanswered: readonly Unanswered[]
  readonly world: World
}

/** Rounding of clocks that are kept as floating-point ms since the epoch. */
const roundingMs = 0.001

/**
 * @param untilMs what happened later is not known: answers that came after it count as not given
 */
export function keyHistory(
  operations: readonly Operation[],
  deaths: readonly Death[],
  options: HistoryOptions,
  untilMs: number = Number.POSITIVE_INFINITY,
): KeyHistory {
  const diedAtMs = new Map(deaths.map(death => [death.process, death.atMs]))
  const answered: Answered[] = []
  const calls: Omit<Unanswered, 'twin'>[] = []
  for (const operation of operations) {
    const { call, result, invokedAtMs: fromMs, returnedAtMs } = operation
    if (fromMs > untilMs || result?.kind === 'full') continue
    if (result !== undefined && result.kind !== 'busy' && returnedAtMs !== undefined && returnedAtMs <= untilMs) {
      answered.push({ call, result, fromMs, untilMs: returnedAtMs, operation })
      continue
    }
    const diesAtMs = options.deathEndsCalls === true ? diedAtMs.get(operation.process) : undefined
    const endsAtMs = result?.kind === 'busy' ? undefined : returnedAtMs
    calls.push({ call, fromMs, untilMs: Math.min(diesAtMs ?? Infinity, endsAtMs ?? Infinity) })
  }
  answered.sort(byInvoke)
  calls.sort(byInvoke)
  return {
    answered,
    // Where a death counts, it has to be known who claimed.
    unanswered: changing(options.deadOwnersAtOnce === true ? calls : withoutNames(calls, operations)),
    world: worldOf(operations, calls, diedAtMs, options),
  }
}

function byInvoke(one: { fromMs: number; untilMs: number }, other: { fromMs: number; untilMs: number }): number {
  return one.fromMs - other.fromMs || one.untilMs - other.untilMs
}

/** An owner that only one claim ever names, and no answer, might be anybody: such claims stand for each other. */
export const anybody = '?'

function withoutNames(
  calls: readonly Omit<Unanswered, 'twin'>[],
  operations: readonly Operation[],
): Omit<Unanswered, 'twin'>[] {
  if (calls.length === 0) return []
  const uses = new Map<string, number>()
  for (const { call } of operations) if ('owner' in call) uses.set(call.owner, (uses.get(call.owner) ?? 0) + 1)
  return calls.map(unanswered => {
    const { call } = unanswered
    if (call.step !== 'claim' || uses.get(call.owner) !== 1) return unanswered
    return { ...unanswered, call: { ...call, owner: anybody } }
  })
}

/** Renewals, appends and cancellations need no place of their own: the world says what they may have done. */
function changing(calls: readonly Omit<Unanswered, 'twin'>[]): Unanswered[] {
  const list: Unanswered[] = []
  const lastEqual = new Map<string, number>()
  for (const unanswered of calls) {
    const { step } = unanswered.call
    if (step === 'renew' || step === 'append' || step === 'cancel' || step === 'get') continue
    const name = JSON.stringify(unanswered.call)
    const twin = lastEqual.get(name)
    const earlier = twin === undefined ? undefined : list[twin]
    if (twin !== undefined && earlier !== undefined && step !== 'claim') {
      // Twice is once, at any time from the first invoke on. A claim may begin again once the record is gone.
      list[twin] = { ...earlier, untilMs: Math.max(earlier.untilMs, unanswered.untilMs) }
      continue
    }
    lastEqual.set(name, list.length)
    const isAnybody = unanswered.call.step === 'claim' && unanswered.call.owner === anybody
    const call = isAnybody ? { ...unanswered.call, owner: `${anybody}${list.length}` } : unanswered.call
    list.push({ ...unanswered, call, twin: earlier?.untilMs === unanswered.untilMs ? twin : undefined })
  }
  return list
}

function worldOf(
  operations: readonly Operation[],
  calls: readonly Omit<Unanswered, 'twin'>[],
  diedAtMs: ReadonlyMap<string, number>,
  options: HistoryOptions,
): World {
  const unanswered = new Map<string, UnansweredWrite[]>()
  const canonicals: { fromMs: number; canonical: string }[] = []
  const cancels: { fromMs: number; fence: number }[] = []
  for (const { call, fromMs, untilMs } of calls) {
    if (call.step === 'renew' || call.step === 'append') {
      const list = unanswered.get(call.owner) ?? []
      list.push({ call, fromMs, untilMs })
      unanswered.set(call.owner, list)
      if (call.canonical !== undefined) canonicals.push({ fromMs, canonical: call.canonical })
    }
    if (call.step === 'cancel') cancels.push({ fromMs, fence: call.fence })
  }
  const ownersDiedAtMs = new Map<string, number>()
  if (options.deadOwnersAtOnce === true && diedAtMs.size > 0) {
    for (const { call, process } of operations) {
      const atMs = diedAtMs.get(process)
      if (call.step === 'claim' && atMs !== undefined) ownersDiedAtMs.set(call.owner, atMs)
    }
  }
  return {
    unanswered,
    canonicals,
    cancels,
    diedAtMs: ownersDiedAtMs,
    lateTakeover: options.lateTakeover ?? false,
    leaseSlackMs: roundingMs + (options.leaseSlackMs ?? 0),
    wallSlackMs: roundingMs + (options.wallSlackMs ?? 0),
  }
}
