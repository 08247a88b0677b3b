import type { ClaimAnswer, ClaimTerms } from '../../engine/store.ts'
import { type Change, isExpired, isLapsed, keep, put, type Row, type StoreTime } from './row.ts'

/** A claim's answer before the store has added the outcome's log. */
export type RowClaimAnswer =
  | Exclude<ClaimAnswer, { kind: 'completed' }>
  | Omit<Extract<ClaimAnswer, { kind: 'completed' }>, 'log'>

export interface ClaimStep {
  readonly answer: RowClaimAnswer
  readonly change: Change
}

/**
 * Decides one claim on one row, purely.
 *
 * @param freshFence what a new attempt's fence is at least: the store's clock in µs
 */
export function claimRow(row: Row | undefined, terms: ClaimTerms, now: StoreTime, freshFence: number): ClaimStep {
  if (row === undefined || isExpired(row, now)) return begin(row, terms, now, freshFence)
  if (row.state === 'running' && row.owner === terms.owner) return { answer: acquired(row), change: keep }
  // A claim that arrives again after its attempt has ended must not run a second time.
  if (row.owner === terms.owner && row.state !== 'completed' && row.state !== 'unknown') {
    return {
      answer: { kind: 'cooling', leftMs: Math.max(1, row.cooldownUntilMs - now.leaseMs), fence: row.fence },
      change: keep,
    }
  }
  if (row.state === 'purged') return begin(row, terms, now, freshFence)
  const verdict = takesNewFingerprint(row) ? 'match' : compare(row, terms, now)
  if (verdict === 'mismatch') return { answer: { kind: 'mismatch' }, change: keep }
  if (verdict === 'undecided') return { answer: { kind: 'undecided', fence: row.fence }, change: keep }
  return claimMatching(row, terms, now, freshFence)
}

function claimMatching(row: Row, terms: ClaimTerms, now: StoreTime, freshFence: number): ClaimStep {
  switch (row.state) {
    case 'completed':
      return { answer: completed(row, now), change: keep }
    case 'unknown':
      return { answer: { kind: 'unknown', attempt: row.attempt }, change: keep }
    case 'open': {
      const leftMs = row.cooldownUntilMs - now.leaseMs
      if (leftMs > 0) return { answer: { kind: 'cooling', leftMs, fence: row.fence }, change: keep }
      if (takesNewFingerprint(row)) return begin(row, terms, now, freshFence)
      return row.attempt >= row.maxAttempts && row.steps === 0 ? giveUp(row, now) : next(row, terms, now, freshFence)
    }
    case 'running': {
      if (!isLapsed(row, now)) {
        const leaseLeftMs = Math.max(0, row.leaseUntilMs - now.leaseMs)
        return {
          answer: { kind: 'running', fence: row.fence, leaseLeftMs, lengthBytes: row.lengthBytes },
          change: keep,
        }
      }
      const mayRun = row.steps > 0 || (row.attempt < row.maxAttempts && !(row.onCrash === 'fail' && row.sent))
      return mayRun ? next(row, terms, now, freshFence) : giveUp(row, now)
    }
    case 'purged':
      return begin(row, terms, now, freshFence)
  }
}

/** Another payload is another payload, unless nothing of the first one is left: no counted attempt and no step. */
function takesNewFingerprint(row: Row): boolean {
  return row.state === 'open' && row.attempt === 0 && row.steps === 0
}

function compare(row: Row, terms: ClaimTerms, now: StoreTime): 'match' | 'mismatch' | 'undecided' {
  if (row.raw === terms.raw) return 'match'
  if (row.canonical === undefined) {
    // Only a living owner can still tell; from anybody else no canonical form will come.
    return row.state === 'running' && !isLapsed(row, now) ? 'undecided' : 'mismatch'
  }
  if (terms.canonical === undefined) return 'undecided'
  return row.canonical === terms.canonical ? 'match' : 'mismatch'
}

function begin(previous: Row | undefined, terms: ClaimTerms, now: StoreTime, freshFence: number): ClaimStep {
  const row: Row = {
    state: 'running',
    fence: Math.max((previous?.fence ?? 0) + 1, freshFence),
    owner: terms.owner,
    attempt: 1,
    maxAttempts: terms.maxAttempts,
    onCrash: terms.onCrash,
    sent: terms.onCrash === 'rerun',
    takenOver: previous?.takenOver ?? false,
    cancelled: false,
    raw: terms.raw,
    canonical: terms.canonical,
    leaseMs: terms.leaseMs,
    leaseUntilMs: now.leaseMs + terms.leaseMs,
    cooldownUntilMs: 0,
    retentionMs: terms.retentionMs,
    expiresAtMs: now.wallMs + terms.leaseMs + terms.retentionMs,
    claimedAtMs: now.wallMs,
    completedAtMs: undefined,
    lengthBytes: 0,
    steps: 0,
    label: terms.label,
  }
  return { answer: acquired(row), change: put(row) }
}

/** The next attempt of a record that is there: a takeover from a lapsed owner, or a new run of an open one. */
function next(row: Row, terms: ClaimTerms, now: StoreTime, freshFence: number): ClaimStep {
  const running: Row = {
    ...row,
    state: 'running',
    fence: Math.max(row.fence + 1, freshFence),
    owner: terms.owner,
    attempt: row.attempt + 1,
    sent: row.onCrash === 'rerun',
    takenOver: row.takenOver || row.state === 'running',
    cancelled: false,
    leaseMs: terms.leaseMs,
    leaseUntilMs: now.leaseMs + terms.leaseMs,
    cooldownUntilMs: 0,
    expiresAtMs: Math.max(row.expiresAtMs, now.wallMs + terms.leaseMs + row.retentionMs),
    claimedAtMs: now.wallMs,
    lengthBytes: 0,
    label: terms.label,
  }
  return { answer: acquired(running), change: put(running) }
}

/** The cap is reached, or the policy forbids a second run: the token stays, so that a late complete still heals it. */
function giveUp(row: Row, now: StoreTime): ClaimStep {
  const unknown: Row = { ...row, state: 'unknown', expiresAtMs: now.wallMs + row.retentionMs }
  return { answer: { kind: 'unknown', attempt: row.attempt }, change: put(unknown) }
}

function acquired(row: Row): RowClaimAnswer {
  const { fence, owner, attempt, sent, onCrash } = row
  return { kind: 'acquired', token: { fence, owner }, attempt, sent, onCrash }
}

function completed(row: Row, now: StoreTime): RowClaimAnswer {
  const ageMs = Math.max(0, now.wallMs - (row.completedAtMs ?? now.wallMs))
  return { kind: 'completed', fence: row.fence, ageMs, expiresAtMs: row.expiresAtMs }
}
