import { connectionTokens } from 'retrysafe/internal/protocol/headers'
import type { WaitHeaders } from 'retrysafe/internal/protocol/wait'
import { headerNameOf, type ReadName, readNames } from './header-names.ts'

/** All that the gateway needs of a request's head, read in one pass. */
export interface RequestHead {
  /** Names and values in turn, for the upstream: neither hop-by-hop nor ours, no framing, no accepted encodings. */
  readonly forward: string[]
  readonly acceptEncoding: string | undefined
  /** The lines of each key header that is there, by its lower-case name. */
  readonly keyLines: ReadonlyMap<string, readonly string[]>
  /** `name=value`, in a fixed order whatever the order sent. */
  readonly credentials: readonly string[]
  /** Headers that make it another request, `name: value`, sorted. */
  readonly counted: readonly string[]
  readonly mediaType: string
  readonly contentEncoding: string
  readonly contentLength: number | undefined
  readonly tenantHeader: string | undefined
  readonly wait: WaitHeaders
}

const credentialHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'] as const

/** Versions, betas and organisations: they change what the same body means. */
const countedHeaders = new Set([
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
  'openai-organization',
  'openai-project',
  'openai-version',
  'api-version',
  'x-api-version',
  'x-goog-user-project',
])

/** Set anew for the way to the upstream. */
const replaced = new Set(['host', 'content-length', 'expect', 'accept-encoding'])

/** @param names lower case: the headers that may carry a key, and the one that names the tenant */
export function readRequestHead(
  rawHeaders: readonly string[],
  names: { keys: readonly string[]; tenant: string | undefined },
): RequestHead {
  const values: (string | undefined)[] = Array(readNames.length).fill(undefined)
  let tenantHeader: string | undefined
  const forward: string[] = []
  const keyLines = new Map<string, string[]>()
  const counted: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const rawName = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    const { name, hopByHop, ours, slot } = headerNameOf(rawName)
    if (slot !== -1) values[slot] = joined(values[slot], value)
    if (name === names.tenant) tenantHeader = joined(tenantHeader, value)
    if (names.keys.includes(name)) addLine(keyLines, name, value)
    if (countedHeaders.has(name)) counted.push(`${name}: ${value}`)
    if (!hopByHop && !ours && !replaced.has(name)) forward.push(rawName, value)
  }
  const read = (name: ReadName): string | undefined => values[readNames.indexOf(name)]
  const credentials: string[] = []
  for (const name of credentialHeaders) {
    const value = read(name)
    if (value !== undefined) credentials.push(`${name}=${value}`)
  }
  return {
    forward: withoutNames(forward, connectionTokens(read('connection'))),
    acceptEncoding: read('accept-encoding'),
    keyLines,
    credentials,
    counted: counted.length > 1 ? counted.sort() : counted,
    mediaType: mediaTypeOf(read('content-type')),
    contentEncoding: (read('content-encoding') ?? '').toLowerCase(),
    contentLength: lengthOf(read('content-length')),
    tenantHeader,
    wait: {
      retrysafeWait: read('retrysafe-wait'),
      prefer: read('prefer'),
      stainlessTimeout: read('x-stainless-timeout'),
      stainlessReadTimeout: read('x-stainless-read-timeout'),
    },
  }
}

/** Several lines of one header are one list (RFC 9110 §5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}

function addLine(lines: Map<string, string[]>, name: string, value: string): void {
  const before = lines.get(name)
  if (before === undefined) lines.set(name, [value])
  else before.push(value)
}

function withoutNames(headers: string[], dropped: ReadonlySet<string>): string[] {
  if (dropped.size === 0) return headers
  return headers.filter((_, at) => !dropped.has((headers[at & ~1] ?? '').toLowerCase()))
}

/** Without parameters, lower case. */
export function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return ''
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

function lengthOf(contentLength: string | undefined): number | undefined {
  return contentLength !== undefined && /^\d{1,15}$/.test(contentLength) ? Number(contentLength) : undefined
}
