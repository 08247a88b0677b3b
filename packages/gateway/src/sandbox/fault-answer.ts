import { gzipSync } from 'node:zlib'
import { type Answer, framesFrom, type StreamAnswer } from './answer.ts'
import { type ErrorFormat, errorAnswer, failureAt } from './error-format.ts'
import { type Fault, faultOf } from './faults.ts'

/** The answer of a run with the provider's own error in it, where `error-event-after` is among the faults. */
export function withErrorEvent(answer: Answer, faults: readonly Fault[], errors: ErrorFormat): Answer {
  const index = faultOf(faults, 'error-event-after')?.pieces
  if (index === undefined) return answer
  if (answer.kind === 'stream') return { ...answer, frames: framesFrom(() => failingFrames(answer, index)) }
  const failed = errorAnswer(failureAt(index), errors)
  return { ...failed, status: answer.status, headers: { ...answer.headers, ...failed.headers } }
}

/** The answer as it goes out where `encode` is among the faults. */
export function withEncoding(answer: Answer, faults: readonly Fault[]): Answer {
  if (faultOf(faults, 'encode') === undefined) return answer
  const headers = { ...answer.headers, 'content-encoding': 'gzip' }
  if (answer.kind === 'plain') return { ...answer, headers, body: gzipSync(answer.body) }
  return { ...answer, headers, frames: framesFrom(() => zippedFrames(answer)) }
}

/** The frames before `index`, then the failure. Past the last frame there is nothing left to fail. */
function* failingFrames(answer: StreamAnswer, index: number): Generator<string | Buffer> {
  let sent = 0
  for (const frame of answer.frames) {
    if (sent === index) break
    yield frame
    sent += 1
  }
  if (sent === index) yield* answer.failAt(index)
}

/** Each frame is a member of its own, so that it can be read at once: RFC 1952 §2.2 lets members follow each other. */
function* zippedFrames({ frames }: StreamAnswer): Generator<Buffer> {
  for (const frame of frames) yield gzipSync(frame)
}
