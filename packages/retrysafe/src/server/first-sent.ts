import type { Store } from '../engine/store.ts'
import type { Problem } from '../protocol/problem.ts'

/**
 * When a call was sent first, as far as its request tells: by `Repeatability-First-Sent` (an HTTP date), or by a UUIDv7
 * as its key. Milliseconds since the epoch, on the client's clock.
 *
 * @see OASIS Repeatable Requests 1.0 §4; RFC 9562 §5.7
 * @example
 * firstSentMs('01890a5d-ac96-774b-bcce-b302099a8057', undefined) // 1688127188118
 */
export function firstSentMs(key: string, firstSent: string | undefined): number | undefined {
  if (firstSent !== undefined) {
    const ms = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(firstSent)
      ? Date.parse(firstSent)
      : Number.NaN
    if (!Number.isNaN(ms)) return ms
  }
  const uuid = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i.exec(key)
  return uuid === null ? undefined : Number.parseInt(`${uuid[1]}${uuid[2]}`, 16)
}

/**
 * What a retry is told that was sent first longer ago than outcomes are kept; `undefined`: it may run, or does not say.
 * The store is asked for its time only where the request says when it was sent first.
 *
 * @param rawHeaders names and values in turn
 */
export async function refuseExpired(
  store: Pick<Store, 'now'>,
  retentionMs: number,
  key: string,
  rawHeaders: readonly string[],
): Promise<Problem | undefined> {
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'repeatability-first-sent')
  const sentMs = firstSentMs(key, at === -1 ? undefined : rawHeaders[at + 1])
  if (sentMs === undefined || (await store.now()) - sentMs <= retentionMs) return undefined
  const detail = `This call was sent first over ${Math.floor(retentionMs / 1_000)} s ago, longer than outcomes are kept: whether it ran is forgotten.`
  return { code: 'KEY_EXPIRED', detail }
}
