import type { KeyNotice } from './caller.ts'

/** The headers that say what became of a key; names and values in turn. */
export function noticeHeaders(notice: KeyNotice | undefined): string[] {
  if (notice === undefined) return []
  const replayed = notice.outcome === 'replayed' || notice.outcome === 'joined'
  const headers = ['Retrysafe-Outcome', notice.outcome]
  if (notice.key !== undefined) headers.push('Retrysafe-Key', notice.key)
  if (notice.stream !== undefined) headers.push('Retrysafe-Stream', notice.stream)
  return replayed ? ['Idempotent-Replayed', 'true', ...headers] : headers
}
