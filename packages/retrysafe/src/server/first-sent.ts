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
