import type { Report } from '../providers/usage.ts'
import type { ErrorCode } from './errors.ts'
import type { CallEvent } from './events.ts'
import type { AttemptEnd } from './record.ts'
import type { Replay } from './replay.ts'
import type { Safe } from './safe.ts'

/** A turn that the answering of one call takes. A `fence` names the generation of the outcome. */
export type Turn =
  | { kind: 'begun'; attempt: number }
  /**
   * `deserted`: it was stopped because nobody wanted it any more. `end`: how it ended that is not recorded; absent,
   * somebody else took the record. `report`: of an answer that was judged.
   */
  | {
      kind: 'executed'
      attempt: number
      recorded: boolean
      deserted: boolean
      fence?: number
      end?: AttemptEnd | undefined
      report?: Report | undefined
    }
  | { kind: 'replayed'; ageMs: number; joined: boolean; replay?: Replay }
  | { kind: 'joined' }
  /** The answer that was joined is over, or its reader is gone. */
  | { kind: 'followed'; fence: number }
  | { kind: 'refused'; code: ErrorCode }

/** Whose turn it is. */
export interface TurnFacts {
  readonly operation: string
  /** The tenant's HMAC; only the first of it is told. */
  readonly tenant: string
  readonly key: string
  /** When the call came in, on the monotonic clock. */
  readonly beganAtMs: number
}

/** Tells the listener of a `Safe`, where the turn says something to whoever counts calls. */
export function tellTurn(safe: Safe, { operation, tenant, key, beganAtMs }: TurnFacts, turn: Turn): void {
  const event = eventOf(turn)
  if (event === undefined) return
  const durationMs = safe.surroundings.clock.monotonicMs() - beganAtMs
  safe.tell({ operation, tenant: tenant.slice(0, 8), key, durationMs, ...event })
}

type EventPart = CallEvent extends infer Event
  ? Event extends unknown
    ? Omit<Event, 'operation' | 'tenant' | 'key' | 'durationMs'>
    : never
  : never

function eventOf(turn: Turn): EventPart | undefined {
  switch (turn.kind) {
    case 'begun':
      return turn.attempt > 1 ? { type: 'taken over', attempt: turn.attempt } : undefined
    case 'executed':
      return { type: 'executed', attempt: turn.attempt, recorded: turn.recorded, deserted: turn.deserted }
    case 'replayed':
      return turn.joined ? { type: 'joined' } : { type: 'replayed', ageMs: turn.ageMs }
    case 'joined':
      return { type: 'joined' }
    case 'followed':
      return undefined
    case 'refused':
      return turn.code === 'OUTCOME_UNKNOWN' ? { type: 'unknown' } : { type: 'refused', code: turn.code }
  }
}
