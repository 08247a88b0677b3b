import type { IncomingMessage } from 'node:http'
import { expect } from 'vitest'
import { openTap, type Play, pieces, type Tap } from '../script.ts'
import type { Ask, Stand } from '../stand.ts'
import { type Trial, told } from '../trial.ts'

export const events = [['Content-Type', 'text/event-stream']] as const
export const chat = '/v1/chat/completions'
export const hello = 'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
export const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
export const whole: string = hello + finish

/** A handler that streams all of it. */
export const playWhole: Play = () => ({ kind: 'stream', pieces: pieces(hello, finish), headers: events })

/** A stream of which the first event has been sent; the rest is what `tap` is given. */
export async function beginStream(t: Trial): Promise<{ tap: Tap; stand: Stand; first: IncomingMessage }> {
  const tap = openTap()
  const stand = await t.open(() => ({ kind: 'stream', pieces: tap, headers: events }))
  const opening = stand.begin({ path: chat })
  tap.push(hello)
  return { tap, stand, first: await opening }
}

/** What everybody is told who may not know of a stream. */
export const noSuch = [404, 'STREAM_UNKNOWN', undefined]
/** Why rows that resume have no control of their own. */
export const asStreams =
  'a stream that broke off is lost without us: the rows of clients that leave show its second run'

/** Asks for the rest of a stream. */
export function rest(id: unknown, offset: string | undefined = undefined, more: Ask = {}): Ask {
  const query = offset === undefined ? '' : `?offset=${offset}`
  return { method: 'GET', key: null, path: `/_retrysafe/streams/${id}${query}`, ...more }
}

/** A whole stream, and its id. */
export async function streamed(stand: Stand, more: Ask = {}): Promise<string> {
  const answer = await stand.post({ path: chat, ...more })
  expect(told(answer)).toEqual([200, 'executed', whole])
  return String(answer.headers['retrysafe-stream'])
}
