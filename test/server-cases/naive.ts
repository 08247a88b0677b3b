import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Handle } from './adapters/node.ts'

/**
 * How people write it in an afternoon. Nothing here is to be mended: every trap of the field is in it, or in a variant,
 * so that each case of traps.ts can be seen to fail.
 */
export interface NaiveVariant {
  /** Marks a running key, and refuses its duplicates (409); or loses that race and runs all the same. */
  readonly marker?: 'refuses' | 'runs anyway' | 'deletes when refused'
  /** What a record is found by. Default: the key as sent. */
  readonly index?: 'body' | 'tenant:key'
  /** Where the key is read for the record's writing. Default: on arrival. */
  readonly keyAt?: 'completion'
  /** Compares bodies byte for byte, and refuses others (422). */
  readonly fingerprint?: 'bytes'
  /** Records what it has refused. */
  readonly records?: 'its own refusals'
  /** What a record's end is counted from. Default: its own clock, in ms since 1970. */
  readonly clock?: 'milliseconds of the second' | 'the caller’s'
  readonly ttlMs?: number
  /** Never writes over a row, expired or not. */
  readonly insert?: 'or ignore'
  /** Duplicates wait for the first one's promise. */
  readonly joins?: 'promise'
  /** So many writes of results fail. */
  readonly failingWrites?: number
  /** Stands before every key; of the wrapper that was made last. */
  readonly prefix?: string
}

interface Kept {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: string
  readonly request: string
  readonly expiresAtMs: number
}

const shared = { prefix: '' }

/** Wraps a listener of node:http. */
export function naive(handle: Handle, variant: NaiveVariant = {}): Handle {
  const kept = new Map<string, Kept | 'running'>()
  const running = new Map<string, Promise<Kept | undefined>>()
  const { ttlMs = 86_400_000 } = variant
  shared.prefix = variant.prefix ?? ''
  let failingWrites = variant.failingWrites ?? 0

  function keep(id: string, value: Kept | 'running'): void {
    if (variant.insert === 'or ignore' && kept.has(id)) return
    kept.set(id, value)
  }

  function refuse(id: string, response: ServerResponse, status: number, request: string): void {
    response.writeHead(status).end('refused')
    if (variant.records !== undefined) {
      keep(id, { status, headers: {}, body: 'refused', request, expiresAtMs: Number.POSITIVE_INFINITY })
    }
  }

  return async (request, response) => {
    const body = await peek(request)
    const id = idOf(variant, request, body)
    const nowMs = variant.clock === 'the caller’s' ? clockOf(variant, request) : Date.now()
    const found = kept.get(id)
    if (found === 'running') {
      if (variant.marker === 'deletes when refused') kept.delete(id)
      if (variant.marker !== 'runs anyway') return refuse(id, response, 409, body)
    } else if (found?.body && found.expiresAtMs > nowMs) {
      if (variant.fingerprint !== undefined && found.request !== body) return refuse(id, response, 422, body)
      return send(response, found)
    } else if (found !== undefined && variant.insert === 'or ignore') {
      return refuse(id, response, 409, body)
    }
    const before = running.get(id)
    const joined = variant.joins === undefined ? undefined : await before
    if (joined !== undefined) return send(response, joined)
    if (variant.marker !== undefined) keep(id, 'running')
    const buffered = buffer(response)
    running.set(
      id,
      buffered.ended.then(({ status, body: text }) => ({
        ...recordOf(response, status, text),
        request: body,
        expiresAtMs: 0,
      })),
    )
    await handle(request, response).catch(buffered.abandon)
    const answer = await buffered.ended
    running.delete(id)
    // The client has left: what for?
    if (response.destroyed) return
    if (failingWrites-- > 0) buffered.abandon(new Error('the record could not be written'))
    const atEnd = variant.keyAt === undefined ? id : idOf(variant, request, body)
    keep(atEnd, {
      ...recordOf(response, answer.status, answer.body),
      request: body,
      expiresAtMs: clockOf(variant, request) + ttlMs,
    })
    buffered.release()
  }
}

function recordOf(response: ServerResponse, status: number, body: string) {
  return { status, headers: { ...response.getHeaders() }, body }
}

function idOf({ index }: NaiveVariant, { headers }: IncomingMessage, body: string): string {
  const key = String(headers['idempotency-key'])
  if (index === 'body') return body
  if (index === 'tenant:key') return `${headers['x-user']}:${key}`
  return shared.prefix + key
}

function clockOf({ clock }: NaiveVariant, { headers }: IncomingMessage): number {
  if (clock === 'milliseconds of the second') return new Date().getMilliseconds()
  return clock === undefined ? Date.now() : Date.parse(String(headers.date))
}

async function peek(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function send(response: ServerResponse, { status, headers, body }: Kept): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value as string)
  response.statusCode = status
  response.end(body)
}

interface Buffered {
  readonly ended: Promise<{ status: number; body: string }>
  release(): void
  abandon(error: unknown): never
}

/** Takes the whole answer in as text, and sends it when `release` is called. */
function buffer(response: ServerResponse): Buffered {
  const { write, end, writeHead } = response
  let text = ''
  let tell: (answer: { status: number; body: string }) => void = () => {}
  const ended = new Promise<{ status: number; body: string }>(resolve => {
    tell = resolve
  })
  const take = (chunk: unknown): boolean => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) text += Buffer.from(chunk as string).toString()
    return true
  }
  Object.assign(response, {
    write: take,
    writeHead(status: number, headers: Record<string, string> = {}) {
      response.statusCode = status
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      return response
    },
    end(chunk: unknown) {
      take(chunk)
      tell({ status: response.statusCode, body: text })
      return response
    },
  })
  const restore = (): unknown => Object.assign(response, { write, end, writeHead })
  return {
    ended,
    release() {
      restore()
      response.end(text)
    },
    abandon(error) {
      restore()
      throw error
    },
  }
}
