import { connectionTokens } from 'retrysafe/internal/protocol/headers'
import type { WaitHeaders } from 'retrysafe/internal/protocol/wait'
import { headerNameOf } from './header-names.ts'

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
  const values = new Map<string, string>()
  const forward: string[] = []
  const keyLines = new Map<string, string[]>()
  const counted: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const rawName = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    const { name, hopByHop, ours } = headerNameOf(rawName)
    const before = values.get(name)
    values.set(name, before === undefined ? value : `${before}, ${value}`)
    if (names.keys.includes(name)) addLine(keyLines, name, value)
    if (countedHeaders.has(name)) counted.push(`${name}: ${value}`)
    if (!hopByHop && !ours && !replaced.has(name)) forward.push(rawName, value)
  }
  const credentials: string[] = []
  for (const name of credentialHeaders) {
    const value = values.get(name)
    if (value !== undefined) credentials.push(`${name}=${value}`)
  }
  return {
    forward: withoutNames(forward, connectionTokens(values.get('connection'))),
    acceptEncoding: values.get('accept-encoding'),
    keyLines,
    credentials,
    counted: counted.length > 1 ? counted.sort() : counted,
    mediaType: mediaTypeOf(values.get('content-type')),
    contentEncoding: (values.get('content-encoding') ?? '').toLowerCase(),
    contentLength: lengthOf(values.get('content-length')),
    tenantHeader: names.tenant === undefined ? undefined : values.get(names.tenant),
    wait: {
      retrysafeWait: values.get('retrysafe-wait'),
      prefer: values.get('prefer'),
      stainlessTimeout: values.get('x-stainless-timeout'),
      stainlessReadTimeout: values.get('x-stainless-read-timeout'),
    },
  }
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
