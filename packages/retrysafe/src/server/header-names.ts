import { isHopByHop, isOurs, isReplayable } from '../protocol/headers.ts'

/** What has to be known of a header name; looked up, not worked out, for each header of each message. */
export interface HeaderName {
  /** Lower case. */
  readonly name: string
  readonly hopByHop: boolean
  /** Ours: dropped when somebody else sends it. */
  readonly ours: boolean
  readonly replayable: boolean
  /** Its place in `readNames`, or -1. */
  readonly slot: number
}

/** Request headers whose values are read. */
export const readNames = [
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'host',
  'connection',
  'upgrade',
  'expect',
  'transfer-encoding',
  'accept-encoding',
  'content-type',
  'content-encoding',
  'content-length',
  'retrysafe-wait',
  'retrysafe-retention',
  'retrysafe-on-disconnect',
  'retrysafe-key-reuse',
  'retrysafe-bypass',
  'prefer',
  'x-stainless-timeout',
  'x-stainless-read-timeout',
  'x-stainless-retry-count',
] as const

export type ReadName = (typeof readNames)[number]

const maxNames = 2_048
/** Names that matter are shorter; 64 KiB each, the others would add up. */
const maxNameLength = 64
const known = new Map<string, HeaderName>()

/** @param rawName as sent, in any case */
export function headerNameOf(rawName: string): HeaderName {
  const found = known.get(rawName)
  if (found !== undefined) return found
  const name = rawName.toLowerCase()
  const made = {
    name,
    hopByHop: isHopByHop(name),
    ours: isOurs(name),
    replayable: isReplayable(name),
    slot: slotOf(name),
  }
  // Names come from outside: there is a bound to those that are remembered.
  if (known.size < maxNames && rawName.length <= maxNameLength) known.set(rawName, made)
  return made
}

/**
 * Whether keys may stand in that header. A key is kept and shown: a credential must never be one. What frames the message
 * or means something to us is the same for many calls. @param name in any case
 */
export function mayCarryKey(name: string): boolean {
  const { name: lower, hopByHop, ours, slot } = headerNameOf(name)
  return slot === -1 && !hopByHop && !ours && lower !== 'cookie'
}

function slotOf(name: string): number {
  return (readNames as readonly string[]).indexOf(name)
}
