import { existsSync } from 'node:fs'
import { readLedgers } from '../../history/ledger.ts'
import type { Operation } from '../../history/operation.ts'
import type { WorkerCrew } from '../worker-crew.ts'

/** What the promoted server had of a record before anybody asked it for anything. */
export interface Kept {
  readonly state: string
  readonly fence: number
}

export interface Losses {
  /** Attempts that were granted and under way, and those of them that the promoted server did not know. */
  readonly claims: number
  readonly forgottenClaims: number
  /** Completions that were acknowledged, and the keys of those that the promoted server did not have. */
  readonly completions: number
  readonly forgotten: ReadonlySet<string>
  /** Outcomes that came back with their `complete`. */
  readonly resurrected: number
  /** Calls that ran before the failover, did not report a failure, and ran again after it. */
  readonly ranTwice: number
}

/** Compares what was acknowledged before an instant with what the promoted server then had. */
export function countLosses(
  crew: WorkerCrew,
  operations: readonly Operation[],
  kept: ReadonlyMap<string, Kept>,
  promotedMs: number,
): Losses {
  const before = operations.filter(({ returnedAtMs }) => (returnedAtMs ?? Number.POSITIVE_INFINITY) < promotedMs)
  const completed = before.filter(({ call, result }) => call.step === 'complete' && result?.kind !== 'lost')
  const ended = new Set(before.flatMap(({ call }) => (isEnd(call) ? [call.owner] : [])))
  const granted = before.filter(({ call, result }) => call.step === 'claim' && result?.kind === 'acquired')
  const held = granted.filter(({ call }) => call.step === 'claim' && !ended.has(call.owner))
  const isKnown = ({ key, result }: Operation): boolean =>
    result?.kind === 'acquired' && kept.get(key)?.fence === result.fence
  const isKept = ({ key, call }: Operation): boolean =>
    call.step === 'complete' && kept.get(key)?.state === 'completed' && kept.get(key)?.fence === call.fence
  return {
    claims: held.length,
    forgottenClaims: held.filter(one => !isKnown(one)).length,
    completions: completed.length,
    forgotten: new Set(completed.filter(one => !isKept(one)).map(({ key }) => key)),
    resurrected: operations.filter(({ result }) => result?.kind === 'resurrected').length,
    ranTwice: countRanTwice(crew, operations, promotedMs),
  }
}

function isEnd(call: Operation['call']): call is Extract<Operation['call'], { step: 'complete' | 'release' }> {
  return call.step === 'complete' || call.step === 'release'
}

function countRanTwice(crew: WorkerCrew, operations: readonly Operation[], promotedMs: number): number {
  const entries = readLedgers(crew.lives.map(({ ledger }) => ledger).filter(file => existsSync(file)))
  const released = new Set(operations.flatMap(({ call }) => (call.step === 'release' ? [call.owner] : [])))
  const dispatched = entries.filter(({ phase }) => phase === 'dispatched')
  const ran = new Map(
    dispatched
      .filter(({ atMs, owner }) => atMs < promotedMs && !released.has(owner))
      .map(({ key, owner }) => [key, owner]),
  )
  const again = dispatched.filter(({ key, owner, atMs }) => atMs >= promotedMs && (ran.get(key) ?? owner) !== owner)
  return new Set(again.map(({ key }) => key)).size
}

/**
 * Two tokens that could both write, from an instant on: a write that was made although a younger claim had been granted
 * before it was asked for. And keys with more than one outcome.
 */
export function findTwoTokens(operations: readonly Operation[], fromMs: number): string[] {
  const later = operations.filter(({ invokedAtMs }) => invokedAtMs >= fromMs)
  const granted = later.flatMap(({ key, result, returnedAtMs = 0 }) =>
    result?.kind === 'acquired' ? [{ key, fence: result.fence, owner: result.owner, atMs: returnedAtMs }] : [],
  )
  const byKey = new Map(granted.map(({ key }) => [key, granted.filter(one => one.key === key)]))
  return later.flatMap(({ key, call, invokedAtMs, result }) => {
    if (!('fence' in call && 'owner' in call) || !['ok', 'resurrected'].includes(result?.kind ?? '')) return []
    const younger = byKey.get(key)?.find(one => one.fence > call.fence && one.atMs < invokedAtMs)
    return younger === undefined
      ? []
      : [`${key}: ${call.step} of ${call.fence} was made after ${younger.fence} was granted`]
  })
}
