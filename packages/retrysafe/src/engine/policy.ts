import { parseDuration } from '../protocol/duration.ts'
import { RetrysafeError } from './errors.ts'
import type { CrashPolicy } from './record.ts'

/** What holds for every call of one kind. */
export interface CallPolicy {
  readonly leaseMs: number
  readonly retentionMs: number
  readonly onCrash: CrashPolicy
  readonly maxAttempts: number
}

/** The same, as users give it. */
export interface PolicyOptions {
  /** How long an outcome is kept, from its completion: ms, 1_000 to 2_592_000_000 (30 d). Default 86_400_000 (24 h). */
  readonly retentionMs?: number
  /** How long a process that died is waited for: ms, 1_000 to 3_600_000. Default 30_000; renewed at a third. */
  readonly leaseMs?: number
  /** What to do when a run died and nobody knows whether it had its effect. Default `rerun`. */
  readonly onCrash?: CrashPolicy
  /** Runs of one key that may die so, 1 to 100. Default 3. */
  readonly maxAttempts?: number
}

/**
 * What becomes of a run that nobody wants any more, its caller and all who joined it having left: it goes on and is
 * recorded, is stopped, or goes on for so long, should somebody come back.
 */
export type OnDisconnect = 'finish' | 'cancel' | `grace:${string}`

/** The same, read: ms that it goes on, 0 for `cancel`. */
export type Grace = 'finish' | number

const longestGraceMs = 86_400_000

/** @returns `undefined` for what is none: `grace` takes 0 to 24 h */
export function readGrace(text: unknown): Grace | undefined {
  if (text === 'finish') return 'finish'
  if (text === 'cancel') return 0
  if (typeof text !== 'string' || !text.startsWith('grace:')) return undefined
  const graceMs = parseDuration(text.slice('grace:'.length))
  return graceMs === undefined || graceMs > longestGraceMs ? undefined : graceMs
}

/** @throws {RetrysafeError} `CONFIG_INVALID` */
export function readOnDisconnect(given: unknown): Grace {
  const grace = readGrace(given)
  if (grace !== undefined) return grace
  const takes = "onDisconnect takes 'finish', 'cancel' or a time such as 'grace:30s', at most 24h"
  throw new RetrysafeError('CONFIG_INVALID', `${takes}, not ${JSON.stringify(given)}`)
}

/** What holds where nobody says anything. */
export const policyDefaults: CallPolicy = { leaseMs: 30_000, retentionMs: 86_400_000, onCrash: 'rerun', maxAttempts: 3 }

/**
 * @param base what holds where an option says nothing
 * @throws {RetrysafeError} `CONFIG_INVALID`
 */
export function readPolicy(options: PolicyOptions, base: CallPolicy = policyDefaults): CallPolicy {
  const { onCrash = base.onCrash } = options
  if (onCrash !== 'rerun' && onCrash !== 'fail')
    throw new RetrysafeError('CONFIG_INVALID', `onCrash takes 'rerun' or 'fail', not ${JSON.stringify(onCrash)}`)
  return {
    leaseMs: whole('leaseMs', options.leaseMs ?? base.leaseMs, 1_000, 3_600_000),
    retentionMs: whole('retentionMs', options.retentionMs ?? base.retentionMs, 1_000, 2_592_000_000),
    onCrash,
    maxAttempts: whole('maxAttempts', options.maxAttempts ?? base.maxAttempts, 1, 100),
  }
}

/** @throws {RetrysafeError} `CONFIG_INVALID` for anything but a whole number from `least` to `most` */
export function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  const given = typeof value === 'number' ? value : typeof value
  throw new RetrysafeError('CONFIG_INVALID', `${name} takes a whole number from ${least} to ${most}, not ${given}`)
}
