/** What a request asks for; `path` and `query` as sent. */
export type TargetReading = { kind: 'target'; path: string; query: string } | { kind: 'invalid'; reason: string }

/** A dot segment, also spelled in percent signs, or behind what some servers take for a separator. */
const dotSegment = /(?:^|[/;\\]|%2f|%5c|%3b)(?:\.|%2e){1,2}(?:$|[/;\\]|%2f|%5c|%3b)/i

/** Only origin-form targets: host and port come from the configuration, never from a request. */
export function readTarget(url: string): TargetReading {
  if (!url.startsWith('/')) return { kind: 'invalid', reason: 'only targets that begin with / are served' }
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  if (path.includes('//')) return { kind: 'invalid', reason: 'the path holds an empty segment (//)' }
  if (path.includes('.') || path.includes('%2')) {
    if (dotSegment.test(path)) return { kind: 'invalid', reason: 'the path holds a dot segment' }
  }
  if (path.includes('\\') || /[^!-~]/.test(url) || url.includes('#')) {
    return { kind: 'invalid', reason: 'the target holds a backslash, a fragment or a character outside visible ASCII' }
  }
  return { kind: 'target', path, query }
}
