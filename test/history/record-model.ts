import type { CrashPolicy } from '../../packages/retrysafe/src/engine/record.ts'
import type { StepCall, StepResult } from './operation.ts'

/**
 * The sequential specification's record: docs/protocol.md's state table, written again from the table and not from the
 * stores' code. Where the store has a time, this has the span in which that time lies.
 */
export interface Row {
  readonly state: 'running' | 'open' | 'completed' | 'unknown' | 'purged'
  /** 0: nobody was told it yet. */
  readonly fence: number
  readonly owner: string
  readonly attempt: number
  readonly maxAttempts: number
  readonly onCrash: CrashPolicy
  readonly sent: boolean
  /** `maybe`: an expired record was swept, or not. */
  readonly takenOver: 'no' | 'yes' | 'maybe'
  readonly cancelled: boolean
  readonly raw: string
  readonly canonical: string | undefined
  /** Not before then was the lease granted or renewed. */
  readonly leasedFromMs: number
  /** The lease's end, without grace. */
  readonly lease: Span
  readonly cooldown: Span
  readonly retentionMs: number
  readonly expires: Span
  readonly value: string | undefined
}

export interface Span {
  readonly loMs: number
  readonly hiMs: number
}

export function later(span: Span, ms: number): Span {
  return { loMs: span.loMs + ms, hiMs: span.hiMs + ms }
}

export function latest(one: Span, other: Span): Span {
  return { loMs: Math.max(one.loMs, other.loMs), hiMs: Math.max(one.hiMs, other.hiMs) }
}

export const longAgo: Span = { loMs: Number.NEGATIVE_INFINITY, hiMs: Number.NEGATIVE_INFINITY }

/** The record so far: its row, and the highest fence that anybody was told. */
export interface State {
  readonly row: Row | undefined
  readonly toldFence: number
}

/** One way a step may go. `next === row`: nothing changed. A fence of 0 in the answer is one not told yet. */
export interface Outcome {
  readonly answer: StepResult
  readonly next: Row | undefined
}

/** A write that was never answered: it may have moved the lease, set `sent` or told the canonical form. */
export interface UnansweredWrite {
  readonly call: Extract<StepCall, { step: 'renew' | 'append' }>
  readonly fromMs: number
  readonly untilMs: number
}

/** What holds for the whole history of one key. */
export interface World {
  /** By owner. */
  readonly unanswered: ReadonlyMap<string, readonly UnansweredWrite[]>
  /** Canonical forms in calls that were never answered. */
  readonly canonicals: readonly { fromMs: number; canonical: string }[]
  /** Fences whose cancellation was never answered. */
  readonly cancels: readonly { fromMs: number; fence: number }[]
  /** When an owner's process died, where that lets others take over at once. */
  readonly diedAtMs: ReadonlyMap<string, number>
  readonly lateTakeover: boolean
  readonly leaseSlackMs: number
  readonly wallSlackMs: number
}

const graceMs = 2_000

/** What time allows at one step: several may be true, at least one of each pair is. */
export interface TimeChoices {
  readonly mayBeLapsed: boolean
  readonly mayBeHeld: boolean
  readonly mayBeExpired: boolean
  readonly mayBeAlive: boolean
}

export function timeChoices(row: Row, at: Span, world: World): TimeChoices {
  let { loMs: leaseLoMs, hiMs: leaseHiMs } = row.lease
  let expiresHiMs = row.expires.hiMs
  const running = row.state === 'running'
  const unanswered = world.unanswered.size === 0 || !running ? undefined : world.unanswered.get(row.owner)
  for (const { call, fromMs, untilMs } of unanswered ?? []) {
    if (call.step !== 'renew' || fromMs > at.hiMs || (row.fence !== 0 && row.fence !== call.fence)) continue
    const renewedMs = Math.min(untilMs, at.hiMs) + call.leaseMs
    leaseLoMs = Math.min(leaseLoMs, Math.max(fromMs, row.leasedFromMs) + call.leaseMs)
    leaseHiMs = Math.max(leaseHiMs, renewedMs)
    expiresHiMs = Math.max(expiresHiMs, renewedMs + row.retentionMs)
  }
  const diedAtMs = running ? world.diedAtMs.get(row.owner) : undefined
  const mayBeLapsed =
    leaseLoMs + graceMs - world.leaseSlackMs <= at.hiMs || (diedAtMs !== undefined && diedAtMs <= at.hiMs)
  const mayBeHeld = leaseHiMs + graceMs + world.leaseSlackMs > at.loMs || world.lateTakeover
  return {
    mayBeLapsed,
    mayBeHeld,
    mayBeExpired: row.expires.loMs - world.wallSlackMs <= at.hiMs && (!running || mayBeLapsed),
    mayBeAlive: expiresHiMs + world.wallSlackMs > at.loMs || (running && mayBeHeld),
  }
}

/** Whether an unanswered mark may have reached the running row. */
export function maybeMarked(row: Row, at: Span, world: World): boolean {
  if (row.sent || world.unanswered.size === 0) return false
  return (world.unanswered.get(row.owner) ?? []).some(
    ({ call, fromMs }) =>
      call.step === 'renew' && call.sent && fromMs <= at.hiMs && (row.fence === 0 || row.fence === call.fence),
  )
}

/** What has expired stays so, unless the wall clock may be set back. */
export function expired(row: Row, world: World): Row {
  if (world.wallSlackMs > 1 || row.expires.hiMs === longAgo.hiMs) return row
  return { ...row, expires: longAgo, lease: longAgo }
}
