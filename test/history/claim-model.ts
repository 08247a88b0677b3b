import type { StepCall } from './operation.ts'
import {
  later,
  latest,
  longAgo,
  maybeMarked,
  type Outcome,
  type Row,
  type Span,
  type TimeChoices,
  timeChoices,
  type World,
} from './record-model.ts'

export type ClaimCall = Extract<StepCall, { step: 'claim' }>

/** Every way a claim may go on this row, at some moment of `at`. */
export function claimOutcomes(row: Row | undefined, call: ClaimCall, at: Span, world: World): Outcome[] {
  if (row === undefined) return [begin(undefined, call, at)]
  const times = timeChoices(row, at, world)
  const outcomes: Outcome[] = []
  if (times.mayBeExpired) outcomes.push(begin(row.takenOver === 'yes' ? { ...row, takenOver: 'maybe' } : row, call, at))
  if (!times.mayBeAlive) return outcomes
  if (row.state === 'running' && row.owner === call.owner) return [...outcomes, ...claimedAgain(row, at, world)]
  if (row.owner === call.owner && (row.state === 'open' || row.state === 'purged')) {
    outcomes.push({ answer: { kind: 'cooling', fence: row.fence }, next: row })
    return outcomes
  }
  if (row.state === 'purged') outcomes.push(begin(row, call, at))
  else addUnexpired(row, call, at, world, times, outcomes)
  return outcomes
}

function claimedAgain(row: Row, at: Span, world: World): Outcome[] {
  const { fence, owner, attempt, sent } = row
  const outcomes: Outcome[] = [{ answer: { kind: 'acquired', fence, owner, attempt, sent }, next: row }]
  if (maybeMarked(row, at, world)) {
    outcomes.push({
      answer: { kind: 'acquired', fence, owner, attempt, sent: true },
      next: { ...row, sent: true },
    })
  }
  return outcomes
}

function addUnexpired(
  row: Row,
  call: ClaimCall,
  at: Span,
  world: World,
  times: TimeChoices,
  outcomes: Outcome[],
): void {
  // Nothing of the first payload is left: no counted attempt.
  if ((row.state === 'open' && row.attempt === 0) || row.raw === call.raw) {
    addMatching(row, call, at, world, times, outcomes)
    return
  }
  const canonicals = new Set([row.canonical])
  if (row.canonical === undefined) {
    for (const told of world.canonicals) if (told.fromMs <= at.hiMs) canonicals.add(told.canonical)
  }
  for (const canonical of canonicals) {
    if (canonical === undefined) {
      // Only a living owner can still tell its canonical form.
      if (row.state === 'running' && times.mayBeHeld) outcomes.push(undecided(row))
      if (row.state !== 'running' || times.mayBeLapsed) outcomes.push({ answer: { kind: 'mismatch' }, next: row })
    } else if (call.canonical === undefined) outcomes.push(undecided(row))
    else if (canonical === call.canonical) addMatching(row, call, at, world, times, outcomes)
    else outcomes.push({ answer: { kind: 'mismatch' }, next: row })
  }
}

function undecided(row: Row): Outcome {
  return { answer: { kind: 'undecided', fence: row.fence }, next: row }
}

function addMatching(row: Row, call: ClaimCall, at: Span, world: World, times: TimeChoices, outcomes: Outcome[]): void {
  switch (row.state) {
    case 'completed':
      outcomes.push({ answer: { kind: 'completed', fence: row.fence, value: row.value ?? '' }, next: row })
      return
    case 'unknown':
      outcomes.push({ answer: { kind: 'unknown', attempt: row.attempt }, next: row })
      return
    case 'open':
      if (row.cooldown.hiMs + world.leaseSlackMs > at.loMs) {
        outcomes.push({ answer: { kind: 'cooling', fence: row.fence }, next: row })
      }
      if (row.cooldown.loMs - world.leaseSlackMs > at.hiMs) return
      if (row.attempt === 0) outcomes.push(begin(row, call, at))
      else outcomes.push(row.attempt >= row.maxAttempts ? giveUp(row, at) : next(row, call, at))
      return
    case 'running': {
      if (times.mayBeHeld) outcomes.push({ answer: { kind: 'running', fence: row.fence }, next: row })
      if (!times.mayBeLapsed) return
      const capReached = row.attempt >= row.maxAttempts
      const stopped = row.onCrash === 'fail' && row.sent
      const maybeStopped = row.onCrash === 'fail' && maybeMarked(row, at, world)
      if (!capReached && !stopped) outcomes.push(next(row, call, at))
      if (capReached || stopped || maybeStopped) outcomes.push(giveUp(row, at))
      return
    }
    case 'purged':
      return
  }
}

function begin(previous: Row | undefined, call: ClaimCall, at: Span): Outcome {
  const lease = later(at, call.leaseMs)
  const sent = call.onCrash === 'rerun'
  return {
    answer: { kind: 'acquired', fence: 0, owner: call.owner, attempt: 1, sent },
    next: {
      state: 'running',
      fence: 0,
      owner: call.owner,
      attempt: 1,
      maxAttempts: call.maxAttempts,
      onCrash: call.onCrash,
      sent,
      takenOver: previous?.takenOver ?? 'no',
      cancelled: false,
      raw: call.raw,
      canonical: call.canonical,
      leasedFromMs: at.loMs,
      lease,
      cooldown: longAgo,
      retentionMs: call.retentionMs,
      expires: later(lease, call.retentionMs),
      value: undefined,
    },
  }
}

/** A takeover, or another run of an open record: payload, policy, cap and retention stay the record's own. */
function next(row: Row, call: ClaimCall, at: Span): Outcome {
  const lease = later(at, call.leaseMs)
  const attempt = row.attempt + 1
  const sent = row.onCrash === 'rerun'
  return {
    answer: { kind: 'acquired', fence: 0, owner: call.owner, attempt, sent },
    next: {
      ...row,
      state: 'running',
      fence: 0,
      owner: call.owner,
      attempt,
      sent,
      takenOver: row.state === 'running' ? 'yes' : row.takenOver,
      cancelled: false,
      leasedFromMs: at.loMs,
      lease,
      cooldown: longAgo,
      expires: latest(row.expires, later(lease, row.retentionMs)),
    },
  }
}

/** The token stays, so that a late complete still heals it. */
function giveUp(row: Row, at: Span): Outcome {
  return {
    answer: { kind: 'unknown', attempt: row.attempt },
    next: { ...row, state: 'unknown', expires: later(at, row.retentionMs) },
  }
}
