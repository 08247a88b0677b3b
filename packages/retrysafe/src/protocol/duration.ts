const msPerUnit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const bytesPerUnit = { b: 1, kb: 1_024, mb: 1_048_576, gb: 1_073_741_824 } as const

/**
 * Reads a duration such as `500ms`, `30s`, `10m`, `24h`, `7d`, or a bare `0`.
 *
 * @returns whole milliseconds, or `undefined` when the text is not a duration
 * @example
 * parseDuration('1.5s') // 1500
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text)
  return match === null ? undefined : Math.round(Number(match[1]) * msPerUnit[match[2] as keyof typeof msPerUnit])
}

/**
 * Reads a size such as `512`, `64kb`, `32mb`, `1gb` (powers of 1,024; upper or lower case).
 *
 * @returns whole bytes, or `undefined` when the text is not a size
 * @example
 * parseSize('32mb') // 33_554_432
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(b|kb|mb|gb)?$/.exec(text.toLowerCase())
  if (match === null) return undefined
  return Math.round(Number(match[1]) * bytesPerUnit[(match[2] ?? 'b') as keyof typeof bytesPerUnit])
}
