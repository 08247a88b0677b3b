import type { IncomingMessage } from 'node:http'

/** How the reading of a request body ended. */
export type BodyReading =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'too-large'; readonly limitBytes: number }
  /** The client left before its body was here: nothing was received, so nothing is counted. */
  | { readonly kind: 'cut' }

/**
 * Reads a request body, at most `limitBytes` of it. Past the limit it answers at once; what still comes is read and
 * dropped, because closing on unread bytes would reset the connection and take the 413 with it.
 */
export function readBody(req: IncomingMessage, limitBytes: number): Promise<BodyReading> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let length = 0
    const refuse = (): void => {
      chunks.length = 0
      req.removeListener('data', collect)
      req.resume()
      resolve({ kind: 'too-large', limitBytes })
    }
    const collect = (chunk: Buffer): void => {
      length += chunk.length
      if (length > limitBytes) refuse()
      else chunks.push(chunk)
    }
    req.once('end', () => resolve({ kind: 'whole', bytes: wholeOf(chunks) }))
    // After 'end' this settles nothing; without one the client has left.
    req.once('close', () => resolve({ kind: 'cut' }))
    if (Number(req.headers['content-length'] ?? 0) > limitBytes) refuse()
    else req.on('data', collect)
  })
}

function wholeOf(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
}

/** The JSON object in `bytes`, or undefined where they hold anything else. */
export function parseJsonObject(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether `value` is a JSON object: neither null nor an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
