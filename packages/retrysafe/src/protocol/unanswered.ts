/** 520 and 524 are Cloudflare's, before most of the providers: a strange answer, and none in time. */
const statuses: ReadonlySet<number> = new Set([502, 504, 520, 524])

/** Whether a status is a proxy's word for that whoever stands behind it took the request, and gave no answer. */
export function isUnanswered(status: number): boolean {
  return statuses.has(status)
}
