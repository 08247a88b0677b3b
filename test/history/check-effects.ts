import type { CrashPolicy } from '../../packages/retrysafe/src/engine/record.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Operation } from './operation.ts'

export interface EffectTerms {
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
  /** After that a record may have expired, and the next one is another incarnation. Default: never. */
  readonly retentionMs?: number
}

export interface EffectViolation {
  readonly key: string
  readonly invariant: 'I2' | 'I4'
  readonly what: string
  readonly text: string
}

/**
 * Holds the ledger against I4 (dispatches whose failure no complete answer reported: at most 1 under `fail`, at most
 * `maxAttempts` under `rerun`, in each incarnation) and, with the history's operations, against a part of I2: what was
 * completed under a fence was dispatched under it.
 *
 * An incarnation ends where a purge, resolve, or release that deletes may have taken effect, or where the retention is
 * over; the next one begins with attempt 1.
 *
 * @param operations without them no incarnation ends but by its retention
 */
export function checkEffects(
  entries: readonly LedgerEntry[],
  termsByKey: ReadonlyMap<string, EffectTerms>,
  operations: readonly Operation[] = [],
): EffectViolation[] {
  const violations: EffectViolation[] = []
  const operationsOf = groupByKey(operations)
  for (const [key, ofKey] of groupByKey(entries)) {
    const terms = termsByKey.get(key)
    if (terms === undefined) throw new Error(`no terms for key ${key}`)
    violations.push(...checkDispatches(key, ofKey, terms, operationsOf.get(key) ?? []))
  }
  const dispatched = new Set(entries.filter(entry => entry.phase === 'dispatched').map(tokenName))
  for (const { key, call, result } of operations) {
    if (call.step !== 'complete' || result?.kind !== 'ok' || dispatched.has(tokenName({ key, ...call }))) continue
    const what = `fence ${call.fence} of ${call.owner} was completed and never dispatched`
    violations.push({ key, invariant: 'I2', what, text: `${key}: I2: ${what}` })
  }
  return violations
}

function groupByKey<Item extends { readonly key: string }>(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const group = groups.get(item.key)
    if (group === undefined) groups.set(item.key, [item])
    else group.push(item)
  }
  return groups
}

function tokenName({ key, fence, owner }: { key: string; fence: number; owner: string }): string {
  return `${key} ${fence} ${owner}`
}

function mayEnd({ call, result }: Operation): boolean {
  if (call.step === 'release') return (call.end === 'free' || call.end === 'cancelled') && result?.kind !== 'lost'
  return (call.step === 'purge' || call.step === 'resolve') && (result === undefined || result.kind === 'ok')
}

function checkDispatches(
  key: string,
  entries: readonly LedgerEntry[],
  terms: EffectTerms,
  operations: readonly Operation[],
): EffectViolation[] {
  const ends = operations.filter(mayEnd)
  const claimedAtMs = new Map<string, number>()
  for (const { call, invokedAtMs } of operations) {
    if (call.step !== 'claim') continue
    claimedAtMs.set(call.owner, Math.min(invokedAtMs, claimedAtMs.get(call.owner) ?? invokedAtMs))
  }
  const limit = terms.onCrash === 'fail' ? 1 : terms.maxAttempts
  const reported = new Map<string, number>()
  for (const entry of entries) {
    if (entry.phase === 'reported') reported.set(tokenName(entry), (reported.get(tokenName(entry)) ?? 0) + 1)
  }
  let open: LedgerEntry[] = []
  for (const dispatch of entries.filter(entry => entry.phase === 'dispatched').sort(byFence)) {
    const left = reported.get(tokenName(dispatch)) ?? 0
    if (left > 0) {
      reported.set(tokenName(dispatch), left - 1)
      continue
    }
    const before = open.at(-1)
    if (dispatch.attempt === 1 && before !== undefined) {
      // A dispatch may come long after its claim, even after the record's end.
      const fromMs = claimedAtMs.get(before.owner) ?? before.atMs
      if (mayBeNew(before.fence, fromMs, dispatch, terms, ends)) open = []
    }
    open.push(dispatch)
    if (open.length > limit) {
      const what = `${open.length} dispatches without a reported failure under ${terms.onCrash}, at most ${limit}`
      const lines = open.map(entry => JSON.stringify(entry)).join('\n')
      return [{ key, invariant: 'I4', what, text: `${key}: I4: ${what}\n${lines}` }]
    }
  }
  return []
}

function byFence(one: LedgerEntry, other: LedgerEntry): number {
  return one.fence - other.fence || one.atMs - other.atMs
}

/** Whether the incarnation of `fence`, claimed at `fromMs`, may have ended before `dispatch`. */
function mayBeNew(
  fence: number,
  fromMs: number,
  dispatch: LedgerEntry,
  { retentionMs }: EffectTerms,
  ends: readonly Operation[],
): boolean {
  if (retentionMs !== undefined && dispatch.atMs - fromMs >= retentionMs) return true
  return ends.some(
    ({ call, invokedAtMs, returnedAtMs = Number.POSITIVE_INFINITY }) =>
      invokedAtMs <= dispatch.atMs &&
      returnedAtMs >= fromMs &&
      'fence' in call &&
      call.fence >= fence &&
      call.fence < dispatch.fence,
  )
}
