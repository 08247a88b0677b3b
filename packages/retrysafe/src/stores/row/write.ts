import type { CrashPolicy, Token } from '../../engine/record.ts'
import {
  type AppendAnswer,
  type CompleteAnswer,
  type LeaseChange,
  type LogPiece,
  openMs,
  type ReleaseAnswer,
  type ReleaseTerms,
  type RenewAnswer,
  tombstoneMs,
} from '../../engine/store.ts'
import { type Change, isExpired, keep, put, type Row, type StoreTime } from './row.ts'

interface Step<Answer> {
  readonly answer: Answer
  readonly change: Change
}

/** The token decides every write; whether the lease has lapsed plays no part. What has expired is nobody's. */
function isMine(row: Row | undefined, token: Token, now: StoreTime): row is Row {
  return row !== undefined && row.fence === token.fence && row.owner === token.owner && !isExpired(row, now)
}

export function isRunningMine(row: Row | undefined, token: Token, now: StoreTime): row is Row {
  return isMine(row, token, now) && row.state === 'running'
}

export function renewRow(
  row: Row | undefined,
  token: Token,
  terms: LeaseChange,
  now: StoreTime,
  followed: boolean,
): Step<RenewAnswer> {
  if (!isRunningMine(row, token, now)) return { answer: { kind: 'lost' }, change: keep }
  const renewed: Row = {
    ...row,
    canonical: row.canonical ?? terms.canonical,
    leaseUntilMs: now.leaseMs + terms.leaseMs,
    expiresAtMs: Math.max(row.expiresAtMs, now.wallMs + terms.leaseMs + row.retentionMs),
    sent: row.sent || terms.sent === true,
  }
  return { answer: { kind: 'ok', cancelled: row.cancelled, followed }, change: put(renewed) }
}

export function appendRow(
  row: Row | undefined,
  token: Token,
  piece: LogPiece,
  now: StoreTime,
  followed: boolean,
): Step<AppendAnswer> {
  if (!isRunningMine(row, token, now)) return { answer: { kind: 'lost' }, change: keep }
  const endBytes = piece.offsetBytes + piece.bytes.byteLength
  if (piece.offsetBytes !== row.lengthBytes) {
    const answer = endBytes <= row.lengthBytes ? ({ kind: 'dup' } as const) : gap(row)
    return { answer, change: keep }
  }
  const longer: Row = { ...row, canonical: row.canonical ?? piece.canonical, lengthBytes: endBytes }
  return { answer: { kind: 'ok', lengthBytes: endBytes, followed }, change: put(longer) }
}

function gap(row: Row): AppendAnswer {
  return { kind: 'gap', lengthBytes: row.lengthBytes }
}

export function completeRow(row: Row | undefined, token: Token, piece: LogPiece, now: StoreTime): Step<CompleteAnswer> {
  if (!isMine(row, token, now)) return { answer: 'lost', change: keep }
  if (row.state === 'completed') return { answer: 'dup', change: keep }
  // Unknown heals: its owner was given up, but nobody else has run since.
  if (row.state !== 'running' && row.state !== 'unknown') return { answer: 'lost', change: keep }
  if (piece.offsetBytes > row.lengthBytes) return { answer: 'gap', change: keep }
  const completed: Row = {
    ...row,
    canonical: row.canonical ?? piece.canonical,
    state: 'completed',
    lengthBytes: piece.offsetBytes + piece.bytes.byteLength,
    completedAtMs: now.wallMs,
    expiresAtMs: now.wallMs + row.retentionMs,
  }
  return { answer: 'ok', change: put(completed) }
}

export function releaseRow(
  row: Row | undefined,
  token: Token,
  terms: ReleaseTerms,
  now: StoreTime,
): Step<ReleaseAnswer> {
  // Released before: deleted, or no longer running under the same token.
  if (row === undefined || isExpired(row, now)) return { answer: 'ok', change: keep }
  if (!isMine(row, token, now)) return { answer: 'lost', change: keep }
  if (row.state !== 'running') return { answer: row.state === 'completed' ? 'lost' : 'ok', change: keep }
  return { answer: 'ok', change: ended({ ...row, canonical: row.canonical ?? terms.canonical }, terms, now) }
}

/** The table of how an attempt ends (docs/protocol.md). */
function ended(row: Row, terms: ReleaseTerms, now: StoreTime): Change {
  const hasSteps = row.steps > 0
  switch (terms.end) {
    case 'free':
      return hasSteps ? put(open(row, terms, now, row.attempt - 1)) : remove(row, now)
    case 'failed':
      return put(open(row, terms, now, row.attempt - 1))
    case 'broken':
      return givesUp(row.onCrash, hasSteps) ? put(unknown(row, now)) : put(open(row, terms, now, row.attempt))
    case 'cancelled':
      if (hasSteps) return put(open(row, terms, now, row.attempt))
      return row.onCrash === 'fail' && row.sent ? put(unknown(row, now)) : put(tombstone(row, now))
  }
}

function givesUp(onCrash: CrashPolicy, hasSteps: boolean): boolean {
  return onCrash === 'fail' && !hasSteps
}

function open(row: Row, terms: ReleaseTerms, now: StoreTime, attempt: number): Row {
  // A cooldown is kept in any case, and so is the count that it goes with.
  const livesMs = Math.max(attempt > 0 || row.steps > 0 ? row.retentionMs : openMs, terms.cooldownMs)
  return {
    ...row,
    state: 'open',
    attempt,
    cooldownUntilMs: now.leaseMs + terms.cooldownMs,
    lengthBytes: 0,
    expiresAtMs: now.wallMs + livesMs,
  }
}

function unknown(row: Row, now: StoreTime): Row {
  return { ...row, state: 'unknown', expiresAtMs: now.wallMs + row.retentionMs }
}

/** A deletion after a takeover leaves a tombstone: the older owner may still write, and must be told `lost`. */
export function remove(row: Row, now: StoreTime): Change {
  return row.takenOver ? put(tombstone(row, now)) : { kind: 'delete' }
}

export function tombstone(row: Row, now: StoreTime): Row {
  return { ...row, state: 'purged', takenOver: true, lengthBytes: 0, steps: 0, expiresAtMs: now.wallMs + tombstoneMs }
}
