import type { IncomingMessage } from 'node:http'
import type { Timers } from 'retrysafe/internal/engine/clock'

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
    request.on('end', () => {
      const [only, second] = chunks
      resolve({ kind: 'body', bytes: second === undefined ? (only ?? empty) : Buffer.concat(chunks, lengthBytes) })
    })
    // Also after 'end'; then it is resolved already.
    request.on('close', () => resolve({ kind: 'left' }))
  })
}

const discardBytes = 67_108_864
const discardMs = 5_000

/**
 * Lets the rest of a refused body go by for a while: a connection that is closed on unread bytes is reset, and the
 * refusal with it. A client that goes on and on is cut off.
 */
export function discard(request: IncomingMessage, timers: Timers): Promise<void> {
  let leftBytes = discardBytes
  return new Promise(resolve => {
    const timer = timers.after(discardMs, () => request.destroy())
    const done = (): void => {
      timer.cancel()
      resolve()
    }
    request.on('data', (chunk: Buffer) => {
      leftBytes -= chunk.byteLength
      if (leftBytes < 0) request.destroy()
    })
    request.once('end', done)
    request.once('close', done)
    request.resume()
  })
}
