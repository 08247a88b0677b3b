import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import type { Answer, PlainAnswer, StreamAnswer } from './answer.ts'
import { type Fault, faultOf } from './faults.ts'

/**
 * Sends `answer` as the faults will have it. Settles when the answer is out, when it was cut, when it hangs, or when
 * the client has left; no timer outlives its client.
 */
export async function deliver(res: ServerResponse, answer: Answer, faults: readonly Fault[]): Promise<void> {
  if (res.destroyed || res.closed) return
  if (faults.length === 0 && answer.kind === 'plain') return sendPlain(res, answer)
  const gone = new AbortController()
  res.once('close', () => gone.abort())
  try {
    await deliverFaulty(res, answer, faults, gone.signal)
  } catch (error) {
    if (!gone.signal.aborted) throw error
  }
}

async function deliverFaulty(
  res: ServerResponse,
  answer: Answer,
  faults: readonly Fault[],
  gone: AbortSignal,
): Promise<void> {
  const delay = faultOf(faults, 'delay')
  if (delay !== undefined) await pause(delay.delayMs, undefined, { signal: gone })
  if (faultOf(faults, 'cut-before-head') !== undefined) {
    res.socket?.destroy()
    return
  }
  const stop = stopOf(faults)
  if (stop.kind === 'hang' && stop.after === undefined) return
  const pace = { slowMs: faultOf(faults, 'slow')?.slowMs ?? 0, gapMs: faultOf(faults, 'gap')?.gapMs ?? 0, gone }
  const isOut = answer.kind === 'plain' ? sendBytes(res, answer, stop, pace) : sendFrames(res, answer, stop, pace)
  if ((await isOut) === 'whole' || stop.kind === 'truncate') res.end()
  // destroySoon lets what was written out first; destroy could take the last chunk with it.
  else if (stop.kind === 'cut') res.socket?.destroySoon()
}

/** How sending stops before the end, and after how many pieces: chunks of a stream, bytes of a plain body. */
interface Stop {
  readonly kind: 'cut' | 'truncate' | 'hang'
  /** undefined: it does not, or for `hang` before the first byte. */
  readonly after: number | undefined
}

interface Pace {
  readonly slowMs: number
  readonly gapMs: number
  readonly gone: AbortSignal
}

type Sent = 'whole' | 'stopped'

function stopOf(faults: readonly Fault[]): Stop {
  const truncate = faultOf(faults, 'truncate-after')
  if (truncate !== undefined) return { kind: 'truncate', after: truncate.pieces }
  return { kind: faultOf(faults, 'hang') === undefined ? 'cut' : 'hang', after: faultOf(faults, 'cut-after')?.pieces }
}

/** RFC 9110 §8.6: a 204 has no Content-Length. */
function plainHead({ status, headers, body }: PlainAnswer): Readonly<Record<string, string | number>> {
  return status === 204 ? headers : { ...headers, 'content-length': body.length }
}

function sendPlain(res: ServerResponse, answer: PlainAnswer): void {
  res.writeHead(answer.status, plainHead(answer))
  res.end(answer.body)
}

/** The length announced is that of the whole body: only then can a client tell that it was cut. A truncated one has none. */
async function sendBytes(res: ServerResponse, answer: PlainAnswer, stop: Stop, pace: Pace): Promise<Sent> {
  const { status, headers, body } = answer
  const { after = body.length } = stop
  const isWhole = after >= body.length
  res.writeHead(status, stop.kind === 'truncate' && !isWhole ? headers : plainHead(answer))
  res.flushHeaders()
  if (after > 0) await write(res, body.subarray(0, after), pace)
  return isWhole ? 'whole' : 'stopped'
}

async function sendFrames(res: ServerResponse, answer: StreamAnswer, { after }: Stop, pace: Pace): Promise<Sent> {
  let sent = 0
  // Under `Connection: close` the fetch of Node 20 (undici 6) takes a cut for the end: unsaid, as by most providers.
  res.removeHeader('connection')
  res.writeHead(200, answer.headers)
  res.flushHeaders()
  for (const frame of answer.frames) {
    if (sent === after) break
    if (sent > 0 && pace.gapMs > 0) await pause(pace.gapMs, undefined, { signal: pace.gone })
    await write(res, frame, pace)
    sent += 1
  }
  return sent === after ? 'stopped' : 'whole'
}

async function write(res: ServerResponse, piece: string | Buffer, { slowMs, gone }: Pace): Promise<void> {
  if (slowMs === 0) return writePiece(res, piece, gone)
  const bytes = Buffer.from(piece)
  for (let at = 0; at < bytes.length; at += 1) {
    await writePiece(res, bytes.subarray(at, at + 1), gone)
    await pause(slowMs, undefined, { signal: gone })
  }
}

/**
 * Writes a piece and lets the event loop turn, so that each is a write of its own, other calls go on beside a long
 * stream, and a client that has left is noticed. A slow reader slows the stream. Not the callback of `write`: it never
 * comes when the client leaves with bytes outstanding (seen on Node 20).
 */
async function writePiece(res: ServerResponse, piece: string | Buffer, signal: AbortSignal): Promise<void> {
  if (res.write(piece)) await turn(undefined, { signal })
  else await once(res, 'drain', { signal })
}
