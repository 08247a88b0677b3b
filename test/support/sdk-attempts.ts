import type { ServerResponse } from 'node:http'
import { afterAll, beforeEach, expect } from 'vitest'
import { eventually } from './eventually.ts'
import { type Answer, ask } from './exchange.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { listRecords } from './records.ts'
import { startUpstream, type Upstream } from './upstream.ts'

export const path = '/v1/chat/completions'

/** One attempt of a call. */
export interface Attempt {
  readonly answer: Promise<Answer>
  /** As an SDK does at its time-out. */
  leave(): Promise<void>
}

/** What such attempts are made on, and an upstream that answers when the test says so. */
export interface AttemptStage {
  readonly upstream: Upstream
  readonly gateway: Gateway
  /** Requests whose answer is up to the test, in the order of their coming; none when a test begins. */
  readonly held: ServerResponse[]
  /** The attempt that an SDK makes after `count` others of the same call. */
  attempt(text: string, count: number | undefined, more?: Record<string, string>): Attempt
  /** An attempt that leaves once the upstream has it; the gateway has heard of that. */
  leftAttempt(text: string, count?: number): Promise<void>
  countRecords(): Promise<number>
  say(index: number, text: string): void
}

/** Opens a stage for the file that calls it. */
export async function openAttempts(...flags: string[]): Promise<AttemptStage> {
  const held: ServerResponse[] = []
  const hold = (response: ServerResponse): void => void held.push(response)
  const upstream = await startUpstream(hold)
  afterAll(upstream.stop)
  const gateway = await startGateway(upstream.url, flags)
  afterAll(gateway.stop)
  beforeEach(() => {
    held.length = 0
    upstream.answerWith(hold)
  })

  function attempt(text: string, count: number | undefined, more: Record<string, string> = {}): Attempt {
    const { signal, abort } = leaving()
    const counted = count === undefined ? {} : { 'X-Stainless-Retry-Count': String(count) }
    const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', ...counted, ...more }
    const answer = ask(`${gateway.url}${path}`, { headers, body: JSON.stringify({ text }), signal })
    answer.catch(() => {})
    return {
      answer,
      async leave() {
        abort()
        await expect(answer).rejects.toThrow()
      },
    }
  }

  async function countRecords(): Promise<number> {
    return (await listRecords(gateway.admin, '?limit=1000')).length
  }

  return {
    upstream,
    gateway,
    held,
    attempt,
    async leftAttempt(...[text, count = 0]: [string, number?]) {
      const before = await countRecords()
      const first = attempt(text, count)
      await eventually(() => held.length).toBe(1)
      await first.leave()
      await eventually(countRecords).toBe(before + 1)
    },
    countRecords,
    say(index, text) {
      held[index]?.setHeader('Content-Type', 'application/json').end(completion(text))
    },
  }
}

export function leaving(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

/** A whole answer of OpenAI. */
export function completion(content: string): string {
  return JSON.stringify({ choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }] })
}

/** A frame of a stream. */
export function chunk(content: string, finishReason: string | null = null): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: finishReason }] })}\n\n`
}
