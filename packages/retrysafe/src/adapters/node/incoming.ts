import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Timers } from '../../engine/clock.ts'

export type BodyReading =
  | { kind: 'body'; bytes: Buffer }
  | { kind: 'too large'; lengthBytes: number }
  | { kind: 'too slow'; lengthBytes: number }
  | { kind: 'left' }

/** So many chunks are put together at once: each alone takes hundreds of bytes of memory, though it holds but one. */
const looseChunks = 1_024
/** For a body that is kept in memory, from its first bytes on: a client that sends byte after byte is cut off. */
export const maxBodyMs = 300_000

/** Takes the body in, once, up to `maxBytes`. What is announced as too large is neither asked for nor read. */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  announcedBytes: number | undefined,
  maxBytes: number,
  timers: Timers,
): Promise<BodyReading> {
  if (announcedBytes !== undefined && announcedBytes > maxBytes) {
    return Promise.resolve({ kind: 'too large', lengthBytes: announcedBytes })
  }
  askForBody(request, response)
  return new Promise(resolve => {
    const pieces: Buffer[] = []
    let chunks: Buffer[] = []
    let lengthBytes = 0
    let timer: { cancel(): void } | undefined
    const settle = (reading: BodyReading): void => {
      timer?.cancel()
      request.off('data', onData)
      resolve(reading)
    }
    function onData(chunk: Buffer): void {
      chunks.push(chunk)
      lengthBytes += chunk.byteLength
      if (chunks.length === looseChunks) {
        pieces.push(Buffer.concat(chunks))
        chunks = []
      }
      if (lengthBytes > maxBytes) {
        request.pause()
        settle({ kind: 'too large', lengthBytes })
      } else if (lengthBytes !== announcedBytes) {
        // Most bodies are here at once, and need none.
        timer ??= timers.after(maxBodyMs, () => settle({ kind: 'too slow', lengthBytes }))
      }
    }
    request.on('data', onData)
    request.on('end', () => {
      const [only, second] = chunks
      const isOne = only?.byteLength === lengthBytes && second === undefined
      settle({ kind: 'body', bytes: isOne ? only : Buffer.concat([...pieces, ...chunks], lengthBytes) })
    })
    // Also after 'end'; then it is resolved already.
    request.on('close', () => settle({ kind: 'left' }))
  })
}

/**
 * The body as a stream of its own: a failing upstream destroys the stream it reads, and the client still has its answer
 * to get. What the upstream did not take of the body is let go by.
 */
export function streamBody(request: IncomingMessage, response: ServerResponse, timers: Timers): PassThrough {
  askForBody(request, response)
  const stream = new PassThrough()
  stream.on('error', () => {})
  stream.once('close', () => {
    request.unpipe(stream)
    if (!request.complete) void discard(request, timers)
  })
  request.once('close', () => {
    if (!request.complete) stream.destroy(new Error('the client has left'))
  })
  return request.pipe(stream)
}

/** A client that waits to be asked sends its body only now, when it is wanted (RFC 9110 §10.1.1). */
function askForBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue()
}

const discardBytes = 67_108_864
const discardMs = 5_000
const discardSilenceMs = 1_000

/**
 * Lets the rest of a refused body go by for a while: a connection that is closed on unread bytes is reset, and the
 * refusal with it. A client that goes on and on, or says nothing more, is cut off.
 */
export function discard(request: IncomingMessage, timers: Timers): Promise<void> {
  if (request.complete || request.destroyed) return Promise.resolve()
  let leftBytes = discardBytes
  return new Promise(resolve => {
    const cut = (): void => void request.destroy()
    const whole = timers.after(discardMs, cut)
    let silence = timers.after(discardSilenceMs, cut)
    const done = (): void => {
      whole.cancel()
      silence.cancel()
      resolve()
    }
    request.on('data', (chunk: Buffer) => {
      leftBytes -= chunk.byteLength
      silence.cancel()
      silence = timers.after(discardSilenceMs, cut)
      if (leftBytes < 0) cut()
    })
    request.once('end', done)
    request.once('close', done)
    request.resume()
  })
}
