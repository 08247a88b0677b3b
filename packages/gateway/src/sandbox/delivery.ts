import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import type { Answer } from './answer.ts'
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
  const hangs = faultOf(faults, 'hang') !== undefined
  const cutAfter = faultOf(faults, 'cut-after')?.pieces
  if (hangs && cutAfter === undefined) return
  const isOut =
    answer.kind === 'plain' ? sendBytes(res, answer, cutAfter) : sendFrames(res, answer, cutAfter, faults, gone)
  // destroySoon lets what was written out first; destroy could take the last chunk with it.
  if ((await isOut) === 'interrupted' && !hangs) res.socket?.destroySoon()
}

type Sent = 'whole' | 'interrupted'
type PlainAnswer = Extract<Answer, { kind: 'plain' }>
type StreamAnswer = Extract<Answer, { kind: 'stream' }>

function sendPlain(res: ServerResponse, { status, headers, body }: PlainAnswer): void {
  // RFC 9110 §8.6: a 204 has no Content-Length.
  res.writeHead(status, status === 204 ? headers : { ...headers, 'content-length': body.length })
  res.end(body)
}

/** The length announced is that of the whole body: only then can a client tell that it was cut. */
function sendBytes(res: ServerResponse, answer: PlainAnswer, cutAfter = Number.POSITIVE_INFINITY): Sent {
  if (cutAfter >= answer.body.length) {
    sendPlain(res, answer)
    return 'whole'
  }
  res.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body.length })
  res.flushHeaders()
  if (cutAfter > 0) res.write(answer.body.subarray(0, cutAfter))
  return 'interrupted'
}

async function sendFrames(
  res: ServerResponse,
  answer: StreamAnswer,
  cutAfter: number | undefined,
  faults: readonly Fault[],
  gone: AbortSignal,
): Promise<Sent> {
  const gapMs = faultOf(faults, 'gap')?.gapMs ?? 0
  let sent = 0
  res.writeHead(200, answer.headers)
  res.flushHeaders()
  for (const frame of answer.frames) {
    if (sent === cutAfter) break
    if (sent > 0 && gapMs > 0) await pause(gapMs, undefined, { signal: gone })
    await writeFrame(res, frame, gone)
    sent += 1
  }
  if (sent === cutAfter) return 'interrupted'
  res.end()
  return 'whole'
}

/**
 * Writes a frame and lets the event loop turn, so that each frame is a write of its own, other calls go on beside a
 * long stream, and a client that has left is noticed. A slow reader slows the stream. Not the callback of `write`:
 * it never comes when the client leaves with bytes outstanding (seen on Node 20).
 */
async function writeFrame(res: ServerResponse, frame: string, signal: AbortSignal): Promise<void> {
  if (res.write(frame)) await turn(undefined, { signal })
  else await once(res, 'drain', { signal })
}
