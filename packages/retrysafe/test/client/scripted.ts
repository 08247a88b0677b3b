import { onTestFinished } from 'vitest'
import type { AttemptEvent } from '../../src/client/events.ts'
import { createFetch, type RetryingFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { ManualTime } from '../support/manual-time.ts'

/** What a transport answers with: an answer, a rejection, or whatever comes of its signal. */
export type Transported = Response | Error | ((signal: AbortSignal) => Promise<Response>)

export interface Scripted {
  readonly fetch: RetryingFetch
  readonly time: ManualTime
  /** When each request was sent, ms since the first test began; and its signal. */
  readonly sent: readonly { readonly atMs: number; readonly signal: AbortSignal }[]
  readonly events: readonly AttemptEvent[]
  /** How every attempt went on: `500`, or why not. */
  steps(): (number | string)[]
}

/**
 * A client over a transport that answers by a script, the last for all that follow; in manual time.
 *
 * @param units what chance gives, in turn; then 0.5
 */
export function scripted(
  options: FetchOptions,
  script: readonly Transported[],
  units: readonly number[] = [],
  time: ManualTime = new ManualTime(),
): Scripted {
  const process = time.process()
  onTestFinished(process.kill)
  const left = [...units]
  const random = { ...process.surroundings.random, unit: () => left.shift() ?? 0.5 }
  const beganAtMs = time.clock.monotonicMs()
  const sent: { atMs: number; signal: AbortSignal }[] = []
  const events: AttemptEvent[] = []
  const fetch = createFetch({
    budget: false,
    surroundings: { ...process.surroundings, random },
    onAttempt: event => events.push(event),
    async fetch(_input, init) {
      const signal = init?.signal ?? new AbortController().signal
      const answer = script[Math.min(sent.length, script.length - 1)]
      sent.push({ atMs: time.clock.monotonicMs() - beganAtMs, signal })
      if (answer instanceof Error) throw answer
      if (answer instanceof Response) return answer.clone()
      if (answer === undefined) throw new Error('the script is empty')
      return answer(signal)
    },
    ...options,
  })
  const steps = (): (number | string)[] =>
    events.map(({ next }) => (next.kind === 'retry' ? next.delayMs : next.reason))
  return { fetch, time, sent, events, steps }
}

/** No answer before its signal. */
export function hang(signal: AbortSignal): Promise<Response> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

export const url = 'https://api.example/v1/chat/completions'
export const post = { method: 'POST', body: '{}' }

/** An error as the platform's `fetch` rejects with it. */
export function networkError(code: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
}

/** Lets time pass until the call has come to its end: the status, or the message of what it was rejected with. */
export async function outcomeOf(
  call: Promise<Response>,
  time: ManualTime,
  ms = 10 * 86_400_000,
): Promise<number | string> {
  const outcome = call.then(
    ({ status }) => status,
    (error: Error) => error.message,
  )
  await time.advance(ms)
  return outcome
}
