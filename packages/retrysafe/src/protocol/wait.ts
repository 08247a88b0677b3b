import { parseSeconds } from './seconds.ts'

/** The request headers that bound the wait for a running duplicate; each value as sent, or `undefined`. */
export interface WaitHeaders {
  retrysafeWait: string | undefined
  prefer: string | undefined
  stainlessTimeout: string | undefined
  stainlessReadTimeout: string | undefined
}

/**
 * How long a duplicate may wait for the head of the running answer, in ms.
 * It ends a little before the client's own time-out, so that the client gets our 409 instead of giving up.
 *
 * @param maxWaitMs the operator's bound (`--wait`), in ms; nothing that a client sends lifts it
 * @returns ms from the arrival of the request, 0 to `maxWaitMs`; 0 refuses at once
 */
export function waitBoundMs(headers: WaitHeaders, maxWaitMs: number): number {
  const asked = parseSeconds(headers.retrysafeWait) ?? preferredSeconds(headers.prefer)
  const askedMs = asked === undefined ? maxWaitMs : asked * 1_000
  return Math.max(0, Math.min(askedMs, maxWaitMs, answerBoundMs(headers)))
}

/** Until when an answer's head may come that still reaches its client, in ms from the request; without end where that says nothing. */
export function answerBoundMs(headers: WaitHeaders): number {
  const patienceMs = patienceOf(headers)
  if (patienceMs === undefined) return Number.POSITIVE_INFINITY
  return patienceMs - Math.max(Math.min(1_000, patienceMs / 4), patienceMs * 0.05)
}

/**
 * How long the client waits before it gives up, in ms, as far as it says. Whole seconds, rounded down by the SDK, so 0
 * says nothing.
 */
export function patienceOf({ stainlessTimeout, stainlessReadTimeout }: WaitHeaders): number | undefined {
  const seconds = parseSeconds(stainlessTimeout) || parseSeconds(stainlessReadTimeout)
  return seconds ? seconds * 1_000 : undefined
}

/** `Prefer: respond-async, wait=10` (RFC 7240 §4.3). */
function preferredSeconds(prefer: string | undefined): number | undefined {
  const match = prefer === undefined ? null : /(?:^|[,;])\s*wait\s*=\s*"?(\d+)"?\s*(?:$|[,;])/i.exec(prefer)
  return match === null ? undefined : parseSeconds(match[1])
}
