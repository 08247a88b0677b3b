import type { ClaimCall } from './claim-model.ts'
import type { DeadEnd } from './linearization.ts'
import type { StepCall, StepResult } from './operation.ts'
import { type Row, timeChoices, type World } from './record-model.ts'

/** Those of docs/protocol.md that one key's history can break; `state table` for an answer that breaks none of them. */
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I9' | 'I12' | 'state table'

export interface Explanation {
  readonly invariant: Invariant
  readonly what: string
}

function broken(invariant: Invariant, what: string): Explanation {
  return { invariant, what }
}

/** Says which promise the answer breaks, given the state in which it would have had to be given. */
export function explain({ state, next, at }: DeadEnd, world: World): Explanation {
  const { call, result } = next
  const { row } = state
  const times = row === undefined ? undefined : timeChoices(row, at, world)
  const known: Known = {
    row: times?.mayBeAlive === true ? row : undefined,
    gone: times?.mayBeAlive === false ? row : undefined,
    mayBeExpired: times?.mayBeExpired ?? true,
    mayBeLapsed: times?.mayBeLapsed ?? true,
    toldFence: state.toldFence,
  }
  switch (call.step) {
    case 'claim':
      return explainClaim(call, result, known)
    case 'renew':
    case 'append':
    case 'complete':
    case 'release':
      return explainWrite(call, result, known)
    case 'purge':
    case 'resolve':
    case 'cancel':
      if (result.kind === 'ok' && known.row !== undefined && known.row.fence !== call.fence) {
        return broken('I9', `${call.step} named fence ${call.fence}, the record's is ${known.row.fence}`)
      }
      return unexpected(call, result, known)
    case 'get':
      return explainGet(result, known)
  }
}

interface Known {
  /** The record, if it may still be there. */
  readonly row: Row | undefined
  /** The record, if it has certainly expired. */
  readonly gone: Row | undefined
  readonly mayBeExpired: boolean
  readonly mayBeLapsed: boolean
  readonly toldFence: number
}

function explainClaim(call: ClaimCall, result: StepResult, known: Known): Explanation {
  const { row, gone } = known
  if (result.kind === 'acquired') return explainAcquired(call, result, known)
  if (result.kind === 'completed') return explainReplay(call, result, known)
  if (row === undefined)
    return broken('I9', `${result.kind}: the record ${gone === undefined ? 'is absent' : 'is over'}`)
  const isSame = samePayload(row, call)
  if (row.state === 'completed') {
    if (isSame) return broken('I5', `${result.kind} instead of the outcome that was acknowledged`)
    return broken('I3', `${result.kind} to another payload`)
  }
  if (result.kind === 'mismatch' && isSame) return broken('I3', 'mismatch for the same payload')
  if (result.kind === 'running' && result.fence !== row.fence && row.fence !== 0) {
    return broken(row.state === 'running' ? 'I1' : 'I6', `fence ${result.fence} is said to run, ${describe(row)}`)
  }
  if (result.kind === 'running' && row.state === 'running' && isSame) {
    return broken('I12', 'running, though lease and grace are over')
  }
  return unexpected(call, result, known)
}

function explainAcquired(
  call: ClaimCall,
  result: Extract<StepResult, { kind: 'acquired' }>,
  { row, mayBeExpired, mayBeLapsed, toldFence }: Known,
): Explanation {
  if (result.owner !== call.owner) return broken('I1', `acquired for ${result.owner}`)
  const isOwn = row !== undefined && row.owner === call.owner
  if (isOwn && !mayBeExpired && row.state !== 'unknown' && row.state !== 'completed') {
    return broken('I7', `the same claim again got another token or attempt, ${describe(row)}`)
  }
  if (row !== undefined && !mayBeExpired && row.state !== 'purged') {
    const isFresh = row.state === 'open' && row.attempt === 0
    if (!isFresh && !samePayload(row, call)) return broken('I3', `acquired by another payload, ${describe(row)}`)
    if (row.state === 'completed') return broken('I5', 'acquired after an acknowledged complete')
    if (row.state === 'running' && !mayBeLapsed) {
      return broken('I1', `acquired before ${row.owner}'s lease (fence ${row.fence}) and the grace were over`)
    }
    if (row.state === 'unknown') return broken('I4', 'acquired though the record is unknown')
    if (row.state === 'running' && row.onCrash === 'fail' && row.sent) {
      return broken('I4', 'run again under fail after it was sent')
    }
    if (!isFresh && row.attempt >= row.maxAttempts)
      return broken('I4', `attempt ${result.attempt} of ${row.maxAttempts}`)
    if (!isFresh && result.attempt !== row.attempt + 1) {
      return broken('I4', `attempt ${result.attempt} after attempt ${row.attempt}`)
    }
  }
  if (result.fence <= toldFence) return broken('I1', `fence ${result.fence} is not above ${toldFence}`)
  if (row === undefined && result.attempt !== 1) return broken('I4', `attempt ${result.attempt} of a new record`)
  return broken('state table', `acquired, attempt ${result.attempt}, sent ${result.sent}, ${describe(row)}`)
}

function explainReplay(
  call: ClaimCall,
  result: Extract<StepResult, { kind: 'completed' }>,
  { row, gone }: Known,
): Explanation {
  const past = row ?? gone
  if (past !== undefined && result.fence < past.fence) {
    return broken('I6', `the outcome of fence ${result.fence} is shown after fence ${past.fence} was given out`)
  }
  if (gone?.state === 'completed' || past?.state === 'purged') return broken('I9', 'an outcome after its end')
  if (row?.state !== 'completed') return broken('I2', `an outcome that nobody stored, ${describe(row)}`)
  if (!samePayload(row, call)) return broken('I3', 'an outcome for another payload')
  return broken('I2', `outcome ${result.value} of fence ${result.fence}, stored was ${row.value} of ${row.fence}`)
}

function explainWrite(
  call: Extract<StepCall, { fence: number; owner: string }>,
  result: StepResult,
  known: Known,
): Explanation {
  const { row, gone, mayBeExpired } = known
  const isMine = row !== undefined && row.owner === call.owner && (row.fence === call.fence || row.fence === 0)
  if (result.kind === 'ok' && gone !== undefined && gone.owner === call.owner) {
    return broken('I9', `${call.step} was taken after the record's end`)
  }
  if (result.kind === 'ok' && !isMine)
    return broken('I1', `${call.step} by token ${call.fence} was taken, ${describe(row)}`)
  if (result.kind === 'ok' && call.step === 'complete' && row?.state === 'completed') {
    return row.value === call.value ? broken('I7', 'complete twice') : broken('I2', 'a second outcome')
  }
  if (result.kind === 'ok' && row?.state !== 'running') {
    return broken('I1', `${call.step} was taken after the attempt's end, ${describe(row)}`)
  }
  if (result.kind === 'dup' && call.step === 'complete') return broken('I7', `dup, but ${describe(row)}`)
  if (result.kind === 'lost' && isMine && !mayBeExpired) return broken('I9', `lost, but ${describe(row)} is its own`)
  return unexpected(call, result, known)
}

function explainGet(result: StepResult, { row, gone, ...rest }: Known): Explanation {
  if (result.kind === 'absent' && row !== undefined) return broken('I9', `absent before its end, ${describe(row)}`)
  if (result.kind === 'view' && gone !== undefined) return broken('I9', 'shown after its end')
  if (result.kind === 'view' && row !== undefined && result.fence < row.fence) {
    return broken('I6', `fence ${result.fence} is shown, ${describe(row)}`)
  }
  return unexpected({ step: 'get' }, result, { row, gone, ...rest })
}

function unexpected(call: StepCall, result: StepResult, { row }: Known): Explanation {
  return broken('state table', `${call.step} answered ${result.kind}, ${describe(row)}`)
}

function samePayload(row: Row, call: ClaimCall): boolean {
  return row.raw === call.raw || (row.canonical !== undefined && row.canonical === call.canonical)
}

function describe(row: Row | undefined): string {
  if (row === undefined) return 'the record is absent'
  return `the record is ${row.state} (fence ${row.fence}, ${row.owner}, attempt ${row.attempt} of ${row.maxAttempts})`
}
