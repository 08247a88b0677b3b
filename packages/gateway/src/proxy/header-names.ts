import { isHopByHop, isOurs, isReplayable } from 'retrysafe/internal/protocol/headers'

/** What the gateway has to know of a header name; looked up, not worked out, for each header of each message. */
export interface HeaderName {
  /** Lower case. */
  readonly name: string
  readonly hopByHop: boolean
  /** Ours: dropped when somebody else sends it. */
  readonly ours: boolean
  readonly replayable: boolean
}

const maxNames = 2_048
const known = new Map<string, HeaderName>()

/** @param rawName as sent, in any case */
export function headerNameOf(rawName: string): HeaderName {
  const found = known.get(rawName)
  if (found !== undefined) return found
  const name = rawName.toLowerCase()
  const made = { name, hopByHop: isHopByHop(name), ours: isOurs(name), replayable: isReplayable(name) }
  // Names come from outside: there is a bound to those that are remembered.
  if (known.size < maxNames) known.set(rawName, made)
  return made
}
