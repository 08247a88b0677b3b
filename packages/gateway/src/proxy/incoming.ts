import type { IncomingMessage } from 'node:http'

export type BodyReading =
  | { kind: 'body'; bytes: Buffer }
  | { kind: 'too large'; lengthBytes: number }
  | { kind: 'left' }

const empty = Buffer.alloc(0)

/** Takes the body in, once, up to `maxBytes`. What is announced as too large is not read at all. */
export function readBody(
  request: IncomingMessage,
  announcedBytes: number | undefined,
  maxBytes: number,
): Promise<BodyReading> {
  if (announcedBytes !== undefined && announcedBytes > maxBytes) {
    return Promise.resolve({ kind: 'too large', lengthBytes: announcedBytes })
  }
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let lengthBytes = 0
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      lengthBytes += chunk.byteLength
      if (lengthBytes <= maxBytes) return
      request.off('data', onData)
      request.pause()
      resolve({ kind: 'too large', lengthBytes })
    }
    request.on('data', onData)
    request.once('end', () => {
      const [only, second] = chunks
      resolve({ kind: 'body', bytes: second === undefined ? (only ?? empty) : Buffer.concat(chunks, lengthBytes) })
    })
    // Also after 'end'; then it is resolved already.
    request.once('close', () => resolve({ kind: 'left' }))
  })
}
