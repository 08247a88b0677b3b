import { RetrysafeError } from '../engine/errors.ts'
import { onAbort } from './abort.ts'
import type { FetchRules } from './options.ts'

export type Input = string | URL | Request
type Bytes = Uint8Array<ArrayBuffer>

/** A request that can be sent any number of times. */
export interface Outgoing {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  /** A copy: what becomes of the caller's own does not count. `undefined`: none, or sent once and as it comes. */
  readonly body: Bytes | undefined
  /** Multipart bodies differ by this alone. */
  readonly boundary: string | undefined
  /** Fires when the caller has left. */
  readonly signal: AbortSignal | undefined
  /** The same request anew, with `headers` and without what it was begun with. */
  request(signal: AbortSignal): readonly [input: Input, init: RequestInit]
  /** Asks the same host, in the same way, for something else. */
  ask(url: URL, headers: Headers, signal: AbortSignal): readonly [input: URL, init: RequestInit]
}

/** Fires when the caller has left; `null` in the options frees a request from its own. */
export function signalOf(input: Input, { signal }: RequestInit): AbortSignal | undefined {
  const own = typeof input === 'object' && 'headers' in input ? input.signal : undefined
  const found: unknown = signal === undefined ? own : signal
  if (found === undefined || found === null) return undefined
  if (typeof found === 'object' && 'addEventListener' in found) return found as AbortSignal
  throw invalid(`this is no request: its signal is a ${typeof found}, not an AbortSignal`)
}

/** What of a `Request` holds for another one too; a platform may have none of them. */
const modes = ['credentials', 'mode', 'redirect', 'referrerPolicy'] as const

/** What the platform reads of options, wherever they have it: it may be inherited, and be a `Request`'s. */
const members = [
  ...['method', 'headers', 'body', 'duplex', 'redirect', 'credentials', 'mode', 'cache', 'referrer', 'referrerPolicy'],
  ...['integrity', 'keepalive', 'priority', 'window'],
] as const

/**
 * Reads what `fetch` was called with; the body is taken in whole, so that it can be sent again. Without retries it goes
 * out as it comes.
 *
 * @param isDownstream a handler or function of ours makes the call: its key is of what the body says
 * @throws {RetrysafeError} `REQUEST_INVALID`; `BODY_TOO_LARGE`: then nothing has been sent
 */
export async function readOutgoing(
  rules: FetchRules,
  input: Input,
  init: RequestInit,
  signal: AbortSignal | undefined,
  isDownstream: boolean,
): Promise<Outgoing> {
  const isRequest = typeof input === 'object' && 'headers' in input
  const url = isRequest ? new URL(input.url) : readUrl(rules, input)
  if (isRequest && init.body === undefined && input.bodyUsed) throw invalid('the body of this Request was read before')
  const rest = optionsIn(init)
  const read = readRequest(isRequest ? input : url, rest)
  const { method } = read
  const headers = new Headers(read.headers)
  const isNamedByBody = isDownstream && rules.methods.has(method) && !headers.has(rules.keyHeader)
  const isKept = rules.retries > 0 || rules.key !== undefined || isNamedByBody
  const body = isKept ? await readBody(read, rules.maxRequestBytes, signal) : undefined
  const shared = isRequest ? modesOf(input) : {}
  const { body: _body, headers: _headers, method: _method, ...options } = rest
  Reflect.deleteProperty(options, 'duplex')
  const sent = body === undefined ? {} : { body: bodySent(rest.body, body) }
  return {
    url,
    method,
    headers,
    body,
    boundary: /^multipart\/.*;\s*boundary="?([^";]+)/i.exec(headers.get('content-type') ?? '')?.[1],
    signal,
    request: current => {
      if (!isKept) return [new Request(read, { headers, signal: current }), options]
      const anew = { ...options, method, headers, ...sent, signal: current }
      return isRequest ? [new Request(input, anew), options] : [url, anew]
    },
    // Nobody redirects it: the credentials and the reader are not for another host.
    ask: (other, asked, current) => [
      other,
      { ...shared, ...options, redirect: 'manual', method: 'GET', headers: asked, signal: current },
    ],
  }
}

/**
 * A text cannot change, and whatever stands before the platform's `fetch` may want to read it. Bytes go out as a Blob:
 * Node 20 cannot send them a second time by itself, where a redirect (307, 308) asks for that.
 */
function bodySent(given: RequestInit['body'], bytes: Bytes): string | Blob {
  return typeof given === 'string' ? given : new Blob([bytes])
}

function optionsIn(init: RequestInit): RequestInit {
  const standard = members.flatMap(name => {
    const value: unknown = Reflect.get(init, name)
    return value === undefined ? [] : [[name, value]]
  })
  const { signal: _signal, ...rest } = { ...init, ...Object.fromEntries(standard) } as RequestInit
  return rest
}

function readUrl({ baseUrl }: FetchRules, given: string | URL): URL {
  const base = baseUrl ?? (Reflect.get(globalThis, 'location') as { href?: string } | undefined)?.href
  const text = String(given)
  if (URL.canParse(text, base)) return new URL(text, base)
  const advice = base === undefined ? 'give an absolute one, or createFetch a baseUrl' : `its base is ${base}`
  throw invalid(`${JSON.stringify(text.slice(0, 200))} is no URL; ${advice}`)
}

/** The platform reads the options, so that they mean what they mean to its own `fetch`. */
function readRequest(input: URL | Request, init: RequestInit): Request {
  const { body } = init
  if (body instanceof ReadableStream && body.locked) throw invalid('the body is a stream that somebody reads already')
  try {
    // Without it, a body that is a stream is refused.
    return new Request(input, body === undefined || body === null ? init : { ...init, duplex: 'half' })
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'the platform refuses it'
    throw new RetrysafeError('REQUEST_INVALID', `this is no request: ${message}`, { cause })
  }
}

async function readBody(
  request: Request,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Bytes | undefined> {
  const body: unknown = request.body
  if (body === null) return undefined
  if (!(body instanceof ReadableStream)) {
    // Firefox has no streams of requests, and does not tell an empty body from none.
    const bytes = new Uint8Array(await request.arrayBuffer())
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes)
    return request.method === 'GET' || request.method === 'HEAD' ? undefined : bytes
  }
  const chunks: Uint8Array[] = []
  let lengthBytes = 0
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
  const leave = (): void => void reader.cancel(signal?.reason).catch(() => {})
  const over = signal === undefined ? undefined : onAbort(signal, leave)
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(cause => {
        throw new RetrysafeError('REQUEST_INVALID', 'the stream that is the body failed before it was sent', { cause })
      })
      if (done) return joined(chunks, lengthBytes)
      if (!(value instanceof Uint8Array))
        throw invalid(`a stream that is a body takes Uint8Arrays, not ${typeof value}`)
      lengthBytes += value.byteLength
      if (lengthBytes > maxBytes) throw tooLarge(maxBytes)
      chunks.push(value)
    }
  } catch (error) {
    void reader.cancel().catch(() => {})
    throw error
  } finally {
    over?.()
  }
}

function tooLarge(maxBytes: number): RetrysafeError {
  const message = `the body has more than ${maxBytes} bytes (maxRequestBytes), and is kept to be sent again`
  return new RetrysafeError('BODY_TOO_LARGE', `${message}: raise it, or set retries to 0`)
}

function joined(chunks: readonly Uint8Array[], lengthBytes: number): Bytes {
  const bytes = new Uint8Array(lengthBytes)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

function modesOf(request: Request): RequestInit {
  const found = modes.flatMap(name => (typeof request[name] === 'string' ? [[name, request[name]]] : []))
  // A navigation's mode is refused for any other request.
  return Object.fromEntries(found.filter(([, value]) => value !== 'navigate'))
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('REQUEST_INVALID', message)
}
