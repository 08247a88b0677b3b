import type { IncomingMessage } from 'node:http'
import { RetrysafeError } from '../../engine/errors.ts'
import { canonicalJson } from '../../fingerprint/json.ts'
import { mediaTypeOf } from '../../server/request-head.ts'
import type { BodyReading } from '../../server/serve.ts'

/** What frameworks and parsers put beside the stream. */
export interface ParsedBody {
  readonly rawBody?: unknown
  readonly body?: unknown
}

/** What is said once where a parser has taken the bytes. */
export const keepRawBody: string =
  'retrysafe: the request body was parsed before idempotency() saw it, so that its value is compared, not its bytes; ' +
  'mount idempotency() before the parser, or keep the bytes: express.json({ verify(req, _res, bytes) { req.rawBody = bytes } })'

/**
 * Takes a request's body in, and leaves it there: whoever reads the stream next finds every byte. Where a parser has
 * read it before: `rawBody`, if somebody kept it, else the value in `body`.
 *
 * @param warn told where only a value is left
 * @param parsed where parsers leave it; default: the request itself
 */
export async function readRequestBody(
  request: IncomingMessage,
  maxBytes: number,
  warn: (message: string) => void,
  parsed: ParsedBody = request as ParsedBody,
): Promise<BodyReading> {
  const { 'content-length': announced, 'transfer-encoding': coding } = request.headers
  if (announced !== undefined && Number(announced) > maxBytes) {
    return { kind: 'too large', lengthBytes: Number(announced) }
  }
  const hasBody = coding !== undefined || (announced !== undefined && Number(announced) > 0)
  if (!hasBody) return { kind: 'bytes', bytes: new Uint8Array(0) }
  if (request.readableDidRead || request.readableEnded) return readParsed(request, parsed, maxBytes, warn)
  // Chunks of nothing, here already: to listen would end the stream, and nobody after us would hear of its end.
  if (request.complete && request.readableLength === 0) return { kind: 'bytes', bytes: new Uint8Array(0) }
  return readAndPutBack(request, maxBytes)
}

/** `readable` and `read` take the bytes without ending the stream, as long as they are put back in the same turn. */
function readAndPutBack(request: IncomingMessage, maxBytes: number): Promise<BodyReading> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let lengthBytes = 0
    const settle = (reading: BodyReading): void => {
      request.off('readable', take)
      request.off('close', left)
      request.off('error', left)
      resolve(reading)
    }
    const left = (): void => settle({ kind: 'left' })
    function take(): void {
      while (request.readableLength > 0) {
        const chunk = request.read() as Buffer | null
        if (chunk === null) break
        chunks.push(chunk)
        lengthBytes += chunk.byteLength
      }
      const isTooLarge = lengthBytes > maxBytes
      if (!request.complete && !isTooLarge) return
      const bytes = Buffer.concat(chunks, lengthBytes)
      if (lengthBytes > 0) request.unshift(bytes)
      settle(isTooLarge ? { kind: 'too large', lengthBytes } : { kind: 'bytes', bytes })
    }
    request.on('readable', take)
    request.on('close', left)
    request.on('error', left)
    if (request.destroyed) left()
  })
}

function readParsed(
  request: IncomingMessage,
  { rawBody, body }: ParsedBody,
  maxBytes: number,
  warn: (message: string) => void,
): BodyReading {
  const raw = bytesOf(rawBody) ?? bytesOf(body)
  if (raw !== undefined) return bounded({ kind: 'bytes', bytes: raw }, maxBytes)
  const isMultipart = mediaTypeOf(request.headers['content-type']).startsWith('multipart/')
  const text = body === undefined || isMultipart ? undefined : JSON.stringify(body)
  const json = text === undefined ? undefined : canonicalJson(Buffer.from(text))
  if (json?.kind !== 'canonical') {
    // What a parser of multipart leaves in `body` does not hold the files: two requests would look alike.
    throw new RetrysafeError(
      'CONFIG_INVALID',
      'the request body was read before idempotency() saw it, and its bytes are gone: mount idempotency() before the parser',
    )
  }
  warn(keepRawBody)
  return bounded({ kind: 'parsed', bytes: json.bytes }, maxBytes)
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  return typeof value === 'string' ? Buffer.from(value) : undefined
}

function bounded(reading: Extract<BodyReading, { bytes: Uint8Array }>, maxBytes: number): BodyReading {
  const { byteLength } = reading.bytes
  return byteLength > maxBytes ? { kind: 'too large', lengthBytes: byteLength } : reading
}
