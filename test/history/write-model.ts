import type { StepCall, StepResult } from './operation.ts'
import {
  expired,
  later,
  latest,
  longAgo,
  maybeMarked,
  type Outcome,
  type Row,
  type Span,
  type State,
  type TimeChoices,
  timeChoices,
  type World,
} from './record-model.ts'

export type WriteCall = Extract<StepCall, { step: 'renew' | 'append' | 'complete' | 'release' }>
export type OperatorCall = Extract<StepCall, { step: 'purge' | 'resolve' | 'cancel' }>

const openMs = 600_000
const tombstoneMs = 86_400_000

/** Every way a write by a token's holder may go. The token decides; whether the lease has lapsed plays no part. */
export function writeOutcomes(state: State, call: WriteCall, at: Span, world: World): Outcome[] {
  const lost = call.step === 'release' ? 'ok' : 'lost'
  if (state.row === undefined) return [{ answer: { kind: lost }, next: undefined }]
  const times = timeChoices(state.row, at, world)
  const outcomes: Outcome[] = []
  if (times.mayBeExpired) outcomes.push({ answer: { kind: lost }, next: expired(state.row, world) })
  if (!times.mayBeAlive) return outcomes
  if (!isTokenOf(state, call)) outcomes.push({ answer: { kind: 'lost' }, next: state.row })
  else addOwn(state.row.fence === 0 ? { ...state.row, fence: call.fence } : state.row, call, at, world, outcomes)
  return outcomes
}

/** A fence that nobody was told yet is the one its owner names, if it can be. */
function isTokenOf({ row, toldFence }: State, token: { fence: number; owner: string }): boolean {
  if (row === undefined || row.owner !== token.owner) return false
  return row.fence === token.fence || (row.fence === 0 && token.fence > toldFence)
}

function addOwn(row: Row, call: WriteCall, at: Span, world: World, outcomes: Outcome[]): void {
  const told = row.canonical === undefined && call.canonical !== undefined ? { ...row, canonical: call.canonical } : row
  switch (call.step) {
    case 'renew':
      if (row.state !== 'running') outcomes.push({ answer: { kind: 'lost' }, next: row })
      else for (const answer of renewAnswers(row, at, world)) outcomes.push({ answer, next: renewed(told, call, at) })
      return
    case 'append':
      if (row.state !== 'running') outcomes.push({ answer: { kind: 'lost' }, next: row })
      else {
        outcomes.push({ answer: { kind: 'ok' }, next: told })
        outcomes.push({ answer: { kind: 'dup' }, next: row }, { answer: { kind: 'gap' }, next: row })
      }
      return
    case 'complete':
      if (row.state === 'completed') outcomes.push({ answer: { kind: 'dup' }, next: row })
      else if (row.state === 'running' || row.state === 'unknown') {
        // Unknown heals: its owner was given up, but nobody else has run since.
        const expires = later(at, row.retentionMs)
        outcomes.push({ answer: { kind: 'ok' }, next: { ...told, state: 'completed', value: call.value, expires } })
        outcomes.push({ answer: { kind: 'gap' }, next: row })
      } else outcomes.push({ answer: { kind: 'lost' }, next: row })
      return
    case 'release':
      if (row.state !== 'running') {
        outcomes.push({ answer: { kind: row.state === 'completed' ? 'lost' : 'ok' }, next: row })
      } else for (const next of ended(told, call, at, world)) outcomes.push({ answer: { kind: 'ok' }, next })
  }
}

function renewAnswers(row: Row, at: Span, world: World): StepResult[] {
  const maybe = world.cancels.some(cancel => cancel.fence === row.fence && cancel.fromMs <= at.hiMs)
  const answer: StepResult = { kind: 'ok', cancelled: row.cancelled }
  return maybe && !row.cancelled ? [answer, { kind: 'ok', cancelled: true }] : [answer]
}

function renewed(row: Row, call: Extract<WriteCall, { step: 'renew' }>, at: Span): Row {
  const lease = later(at, call.leaseMs)
  return {
    ...row,
    sent: row.sent || call.sent,
    leasedFromMs: at.loMs,
    lease,
    expires: latest(row.expires, later(lease, row.retentionMs)),
  }
}

/** The table of how an attempt ends. */
function ended(row: Row, call: Extract<WriteCall, { step: 'release' }>, at: Span, world: World): (Row | undefined)[] {
  const unknown: Row = { ...row, state: 'unknown', expires: later(at, row.retentionMs) }
  switch (call.end) {
    case 'free':
      return removed(row, at)
    case 'failed':
      return [opened(row, row.attempt - 1, call.cooldownMs, at)]
    case 'broken':
      return [row.onCrash === 'fail' ? unknown : opened(row, row.attempt, call.cooldownMs, at)]
    case 'cancelled':
      if (row.onCrash === 'rerun') return [tombstone(row, at)]
      if (row.sent) return [unknown]
      return maybeMarked(row, at, world) ? [unknown, tombstone(row, at)] : [tombstone(row, at)]
  }
}

function opened(row: Row, attempt: number, cooldownMs: number, at: Span): Row {
  const livesMs = Math.max(attempt > 0 ? row.retentionMs : openMs, cooldownMs)
  const [cooldown, expires] = [later(at, cooldownMs), later(at, livesMs)]
  return { ...row, state: 'open', attempt, cooldown, lease: longAgo, expires }
}

/** A deletion after a takeover leaves a tombstone. */
function removed(row: Row, at: Span): (Row | undefined)[] {
  if (row.takenOver === 'no') return [undefined]
  return row.takenOver === 'yes' ? [tombstone(row, at)] : [undefined, tombstone(row, at)]
}

function tombstone(row: Row, at: Span): Row {
  return {
    ...row,
    state: 'purged',
    takenOver: 'yes',
    value: undefined,
    lease: longAgo,
    cooldown: longAgo,
    expires: later(at, tombstoneMs),
  }
}

/** Every way an operator's step may go; it names the fence it saw. */
export function operatorOutcomes(state: State, call: OperatorCall, at: Span, world: World): Outcome[] {
  const { row } = state
  if (row === undefined || row.state === 'purged') return [{ answer: { kind: 'absent' }, next: row }]
  const times: TimeChoices = timeChoices(row, at, world)
  const outcomes: Outcome[] = []
  if (times.mayBeExpired) outcomes.push({ answer: { kind: 'absent' }, next: expired(row, world) })
  if (!times.mayBeAlive) return outcomes
  const isNamed = row.fence === call.fence || (row.fence === 0 && call.fence > state.toldFence)
  if (!isNamed || row.fence === 0) outcomes.push({ answer: { kind: 'changed' }, next: row })
  if (isNamed) addNamed(row.fence === 0 ? { ...row, fence: call.fence } : row, call, at, outcomes)
  return outcomes
}

function addNamed(row: Row, call: OperatorCall, at: Span, outcomes: Outcome[]): void {
  const running = row.state === 'running'
  const stays = (kind: 'running' | 'refused'): number => outcomes.push({ answer: { kind }, next: row })
  switch (call.step) {
    case 'cancel':
      if (running) outcomes.push({ answer: { kind: 'ok' }, next: row.cancelled ? row : { ...row, cancelled: true } })
      else stays('refused')
      return
    case 'resolve':
      if (row.state === 'unknown') outcomes.push({ answer: { kind: 'ok' }, next: tombstone(row, at) })
      else stays(running ? 'running' : 'refused')
      return
    case 'purge': {
      if (running && call.force !== true) {
        stays('running')
        return
      }
      const gone = running || row.state === 'unknown' ? [tombstone(row, at)] : removed(row, at)
      for (const next of gone) outcomes.push({ answer: { kind: 'ok' }, next })
    }
  }
}

export function getOutcomes({ row }: State, at: Span, world: World): Outcome[] {
  if (row === undefined) return [{ answer: { kind: 'absent' }, next: row }]
  const times = timeChoices(row, at, world)
  const outcomes: Outcome[] = []
  if (times.mayBeExpired) outcomes.push({ answer: { kind: 'absent' }, next: expired(row, world) })
  const { state, fence, attempt } = row
  if (times.mayBeAlive) outcomes.push({ answer: { kind: 'view', state, fence, attempt }, next: row })
  return outcomes
}
