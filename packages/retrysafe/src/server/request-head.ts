import { connectionTokens } from '../protocol/headers.ts'
import type { WaitHeaders } from '../protocol/wait.ts'
import { headerNameOf, type ReadName, readNames } from './header-names.ts'

/** All that is needed of a request's head, read in one pass. */
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
  /** What follows it in Content-Type, as sent. */
  readonly parameters: string
  readonly contentEncoding: string
  readonly contentLength: number | undefined
  readonly transferEncoding: string | undefined
  /** Several lines are a list with commas; a host cannot have one. */
  readonly host: string | undefined
  readonly upgrade: string | undefined
  readonly expect: string | undefined
  readonly tenantHeader: string | undefined
  readonly wait: WaitHeaders
  /** What an SDK says of its own retries; several lines are a list with commas. */
  readonly retryCount: string | undefined
  readonly wishes: ClientWishes
}

/** What a client asks of us for its own call; each value as sent, or `undefined`. None of it goes upstream. */
export interface ClientWishes {
  readonly retention: string | undefined
  readonly onDisconnect: string | undefined
  readonly keyReuse: string | undefined
  readonly bypass: string | undefined
}

/** By far the most ask for nothing. */
export const noWishes: ClientWishes = {
  retention: undefined,
  onDisconnect: undefined,
  keyReuse: undefined,
  bypass: undefined,
}

const credentialHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'] as const

/**
 * Versions, betas, organisations, methods and models that stand in a header: they change what the same body means.
 * `list`: a set of names, in any order.
 */
const countedHeaders: ReadonlyMap<string, 'value' | 'list'> = new Map([
  ['anthropic-version', 'value'],
  ['anthropic-beta', 'list'],
  ['anthropic-workspace-id', 'value'],
  ['openai-beta', 'list'],
  ['openai-organization', 'value'],
  ['openai-project', 'value'],
  ['openai-version', 'value'],
  ['api-version', 'value'],
  ['x-api-version', 'value'],
  ['x-goog-user-project', 'value'],
  // Google's APIs, and others, take it for the method.
  ['x-http-method-override', 'value'],
  // What the Vercel AI SDK sends to its gateway: there the model is not in the body.
  ['ai-model-id', 'value'],
  ['ai-language-model-id', 'value'],
  ['ai-language-model-streaming', 'value'],
])

/** Set anew for the way to the upstream. */
const replaced = new Set(['host', 'content-length', 'expect', 'accept-encoding'])

/** Lower case: the headers that may carry a key, and the one that names the tenant. */
export interface HeaderRoles {
  readonly keys: readonly string[]
  readonly tenant: string | undefined
  /** What is ours goes upstream, too: somebody only looks on. Default false. */
  readonly keepsOurs?: boolean
}

export function readRequestHead(rawHeaders: readonly string[], names: HeaderRoles): RequestHead {
  const values: (string | undefined)[] = Array(readNames.length).fill(undefined)
  let tenantHeader: string | undefined
  let hasOurs = false
  const forward: string[] = []
  const keyLines = new Map<string, string[]>()
  const counted = new Map<string, string>()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const rawName = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    const { name, hopByHop, ours, slot } = headerNameOf(rawName)
    if (ours) hasOurs = true
    if (slot !== -1) values[slot] = joined(values[slot], value)
    if (name === names.tenant) tenantHeader = joined(tenantHeader, value)
    if (names.keys.includes(name)) addLine(keyLines, name, value)
    if (countedHeaders.has(name)) counted.set(name, joined(counted.get(name), value))
    if (!hopByHop && (!ours || names.keepsOurs) && !replaced.has(name)) forward.push(rawName, value)
  }
  const read = (name: ReadName): string | undefined => values[readNames.indexOf(name)]
  const credentials: string[] = []
  for (const name of credentialHeaders) {
    const value = read(name)
    if (value !== undefined && !isBlank(name, value)) credentials.push(`${name}=${value}`)
  }
  return {
    forward: withoutNames(forward, connectionTokens(read('connection')), names),
    acceptEncoding: read('accept-encoding'),
    keyLines,
    credentials,
    counted: counted.size === 0 ? [] : countedLines(counted),
    mediaType: mediaTypeOf(read('content-type')),
    parameters: parametersOf(read('content-type')),
    contentEncoding: (read('content-encoding') ?? '').toLowerCase(),
    contentLength: lengthOf(read('content-length')),
    transferEncoding: read('transfer-encoding'),
    host: read('host'),
    upgrade: read('upgrade'),
    expect: read('expect'),
    tenantHeader,
    wait: {
      retrysafeWait: read('retrysafe-wait'),
      prefer: read('prefer'),
      stainlessTimeout: read('x-stainless-timeout'),
      stainlessReadTimeout: read('x-stainless-read-timeout'),
    },
    retryCount: read('x-stainless-retry-count'),
    wishes: hasOurs ? wishesIn(read) : noWishes,
  }
}

function wishesIn(read: (name: ReadName) => string | undefined): ClientWishes {
  return {
    retention: read('retrysafe-retention'),
    onDisconnect: read('retrysafe-on-disconnect'),
    keyReuse: read('retrysafe-key-reuse'),
    bypass: read('retrysafe-bypass'),
  }
}

/** An SDK without its key sends the scheme alone: all who do are not one tenant. */
function isBlank(name: string, value: string): boolean {
  return value === '' || (name === 'authorization' && /^(?:bearer|basic)$/i.test(value))
}

function countedLines(values: ReadonlyMap<string, string>): string[] {
  const lines = Array.from(values, ([name, value]) =>
    countedHeaders.get(name) === 'list' ? `${name}: ${namesIn(value).join()}` : `${name}: ${value}`,
  )
  return lines.length > 1 ? lines.sort() : lines
}

/** The names in a list, each once, in order. */
function namesIn(list: string): string[] {
  const names = list.split(',').map(name => name.trim())
  return [...new Set(names.filter(name => name !== ''))].sort()
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

/** What says whose request it is, or what it means, goes upstream even if `Connection` names it: nobody strips that. */
function withoutNames(headers: string[], dropped: ReadonlySet<string>, names: HeaderRoles): string[] {
  if (dropped.size === 0) return headers
  return headers.filter((_, at) => {
    const { name, slot } = headerNameOf(headers[at & ~1] ?? '')
    if (!dropped.has(name) || slot !== -1) return true
    return countedHeaders.has(name) || names.keys.includes(name) || name === names.tenant
  })
}

/** Without parameters, lower case. */
export function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return ''
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

/** @param headers names and values in turn */
export function mediaTypeIn(headers: readonly string[]): string {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-type')
  return at === -1 ? '' : mediaTypeOf(headers[at + 1])
}

function parametersOf(contentType: string | undefined): string {
  const begin = contentType?.indexOf(';') ?? -1
  return begin === -1 ? '' : (contentType?.slice(begin) ?? '')
}

function lengthOf(contentLength: string | undefined): number | undefined {
  return contentLength !== undefined && /^\d{1,15}$/.test(contentLength) ? Number(contentLength) : undefined
}
