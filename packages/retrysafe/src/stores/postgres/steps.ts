import type { RecordState, RecordView, StoreKey, Token } from '../../engine/record.ts'
import type {
  AppendAnswer,
  ClaimAnswer,
  ClaimTerms,
  LogPiece,
  ReadAnswer,
  RecordPage,
  StepPutAnswer,
  StepStartAnswer,
} from '../../engine/store.ts'
import { fingerprintName, keyName, ownerName, storeKeyOf } from '../packed-names.ts'

/** Asked again: somebody else has the row locked for the moment. */
export interface Busy {
  readonly kind: 'busy'
}

/** What the statements answer, as the driver gives it. */
export interface ClaimRow {
  readonly kind: ClaimAnswer['kind'] | 'busy'
  readonly fence: number
  readonly attempt: number
  readonly sent: boolean
  readonly on_crash: string
  readonly left_ms: number
  readonly length_bytes: number
  readonly age_ms: number
  readonly expires_at_ms: number
  readonly bytes: Buffer | null
}

export interface ReadRow {
  readonly kind: 'bytes' | 'ended' | 'busy'
  readonly state: string | null
  readonly cooldown_ms: number
  readonly bytes: Buffer
  readonly length_bytes: number
  readonly sealed: boolean
  readonly lapsed: boolean
}

export interface ViewRow {
  readonly k: Buffer
  readonly state: string | null
  readonly fence: number
  readonly attempt: number
  readonly max_attempts: number
  readonly on_crash: string
  readonly sent: boolean
  readonly label: string
  readonly claimed_at_ms: number
  readonly completed_at_ms: number | null
  readonly lease_left_ms: number | null
  readonly expires_at_ms: number
  readonly length_bytes: number
  readonly steps: number
}

const states: Readonly<Record<string, RecordState>> = {
  r: 'running',
  o: 'open',
  c: 'completed',
  u: 'unknown',
  p: 'purged',
}

export function letterOf(state: RecordState | undefined): string | null {
  return state === undefined ? null : state.slice(0, 1)
}

function stateOf(letter: string): RecordState {
  const state = states[letter]
  if (state === undefined) throw new RangeError(`a record in state ${letter}`)
  return state
}

/** The arguments of `claim`, but for the last. */
export function claimValues(terms: ClaimTerms): unknown[] {
  return [
    keyName(terms.key),
    fingerprintName(terms.raw),
    fingerprintName(terms.canonical),
    ownerName(terms.owner),
    terms.leaseMs,
    terms.retentionMs,
    terms.onCrash.slice(0, 1),
    terms.maxAttempts,
    asciiJson(terms.label),
  ]
}

/** The arguments of `claim_many`, but for the last. */
export function claimColumns(all: readonly ClaimTerms[]): unknown[] {
  const rows = all.map(claimValues)
  return (rows[0] ?? []).map((_, column) => rows.map(row => row[column]))
}

/** JSON in ASCII: whatever the database's encoding is, it has these characters. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function claimAnswer(row: ClaimRow, owner: string): ClaimAnswer | Busy {
  const { kind, fence } = row
  switch (kind) {
    case 'acquired': {
      const onCrash = row.on_crash === 'f' ? 'fail' : 'rerun'
      return { kind, token: { fence, owner }, attempt: row.attempt, sent: row.sent, onCrash }
    }
    case 'completed': {
      const log = { lengthBytes: row.length_bytes, ...(row.bytes !== null && { bytes: row.bytes }) }
      return { kind, fence, ageMs: row.age_ms, expiresAtMs: row.expires_at_ms, log }
    }
    case 'running':
      return { kind, fence, leaseLeftMs: row.left_ms, lengthBytes: row.length_bytes }
    case 'undecided':
      return { kind, fence }
    case 'unknown':
      return { kind, attempt: row.attempt }
    case 'cooling':
      return { kind, leftMs: row.left_ms, fence }
    case 'mismatch':
    case 'busy':
      return { kind }
  }
}

export interface AppendRow {
  readonly kind: AppendAnswer['kind'] | 'busy'
  readonly length_bytes: number
  readonly followed: boolean | null
}

/** @param followedHere somebody in this process follows */
export function appendAnswer(row: AppendRow, followedHere: boolean): AppendAnswer | Busy {
  const { kind, length_bytes: lengthBytes } = row
  switch (kind) {
    case 'ok':
      return { kind, lengthBytes, followed: row.followed === true || followedHere }
    case 'gap':
      return { kind, lengthBytes }
    case 'dup':
    case 'lost':
    case 'busy':
      return { kind }
  }
}

/** A write to a log, on its way. */
export interface PieceRequest {
  readonly key: StoreKey
  readonly token: Token
  readonly piece: LogPiece
}

/** The arguments of `append`, and of `complete` but for the last. */
export function pieceValues({ key, token, piece }: PieceRequest): unknown[] {
  const { offsetBytes, bytes, canonical } = piece
  return [...tokenValues(key, token), offsetBytes, asBuffer(bytes), fingerprintName(canonical)]
}

export function tokenValues(key: StoreKey, token: Token): unknown[] {
  return [keyName(key), token.fence, ownerName(token.owner)]
}

/** The arguments of `append_many` and `complete_many`. */
export function pieceColumns(requests: readonly PieceRequest[]): unknown[] {
  const pieces = requests.map(({ piece }) => piece)
  return [
    requests.map(({ key }) => keyName(key)),
    requests.map(({ token }) => token.fence),
    requests.map(({ token }) => ownerName(token.owner)),
    pieces.map(({ offsetBytes }) => offsetBytes),
    pieces.map(({ canonical }) => fingerprintName(canonical)),
    pieces.map(({ bytes }) => bytes.byteLength),
    // In one value: the driver writes arrays of bytes as text, twice as long.
    Buffer.concat(pieces.map(({ bytes }) => bytes)),
  ]
}

/** The driver sends a Buffer as it is; any other view it would send as text. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function readAnswer(row: ReadRow): ReadAnswer | Busy {
  switch (row.kind) {
    case 'busy':
      return { kind: 'busy' }
    case 'ended':
      return { kind: 'ended', state: row.state === null ? 'absent' : stateOf(row.state), cooldownMs: row.cooldown_ms }
    case 'bytes': {
      const { kind, bytes, sealed, lapsed } = row
      return { kind, bytes, lengthBytes: row.length_bytes, sealed, lapsed }
    }
  }
}

export function viewOf(row: ViewRow): RecordView {
  return {
    id: storeKeyOf(row.k),
    state: stateOf(row.state ?? ''),
    fence: row.fence,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    onCrash: row.on_crash === 'f' ? 'fail' : 'rerun',
    sent: row.sent,
    label: JSON.parse(row.label),
    claimedAtMs: row.claimed_at_ms,
    ...(row.completed_at_ms !== null && { completedAtMs: row.completed_at_ms }),
    ...(row.lease_left_ms !== null && { leaseLeftMs: row.lease_left_ms }),
    expiresAtMs: row.expires_at_ms,
    lengthBytes: row.length_bytes,
    steps: row.steps,
  }
}

export interface StepRow {
  readonly kind: StepStartAnswer['kind'] | StepPutAnswer['kind'] | 'busy'
  readonly attempt?: number
  readonly value: Buffer | null
}

export function stepStartAnswer({ kind, attempt = 0, value }: StepRow): StepStartAnswer {
  switch (kind) {
    case 'begun':
    case 'unknown':
      return { kind, attempt }
    case 'exists':
      return { kind, value: value ?? Buffer.alloc(0) }
    case 'changed':
      return { kind }
    default:
      return { kind: 'lost' }
  }
}

export function stepPutAnswer({ kind, value }: StepRow): StepPutAnswer {
  switch (kind) {
    case 'ok':
      return { kind }
    case 'exists':
      return { kind, value: value ?? Buffer.alloc(0) }
    default:
      return { kind: 'lost' }
  }
}

/** A page of views; a last row without a state says where the next one begins. */
export function pageOf(rows: readonly ViewRow[]): RecordPage {
  const last = rows.at(-1)
  const hasMore = last !== undefined && last.state === null
  return {
    records: (hasMore ? rows.slice(0, -1) : rows).map(viewOf),
    ...(hasMore && { cursor: last.k.toString('base64url') }),
  }
}
