import OpenAI from 'openai'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { isShared } from './gateway.ts'

export interface ClientTerms {
  readonly apiKey?: string
  /** Default 0: what is retried is then written in the test. */
  readonly maxRetries?: number
  readonly fetch?: typeof fetch
}

/** The real SDK, pointed at a gateway or straight at a sandbox. Where two gateways take turns, each call is a connection. */
export function openAi(url: string, terms: ClientTerms = {}): OpenAI {
  const defaultHeaders = isShared ? { Connection: 'close' } : {}
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-test', maxRetries: 0, defaultHeaders, ...terms })
}

/** A chat whose user says `text`; the sandbox answers with it, a chunk a word. */
export function chat(text: string): { model: string; messages: { role: 'user'; content: string }[] } {
  return { model: 'sandbox-model', messages: [{ role: 'user', content: text }] }
}

/** The same as a stream. */
export function streamedChat(text: string): ReturnType<typeof chat> & { stream: true } {
  return { ...chat(text), stream: true }
}

/** Request options with a key, and with a fault for the sandbox. */
export function keyed(key: string, fault = ''): { headers: Record<string, string> } {
  return { headers: { 'Idempotency-Key': key, 'Sandbox-Fault': fault } }
}

/** The text of the next `count` chunks. Rejects when the stream ends before. */
export async function take(chunks: AsyncIterator<ChatCompletionChunk>, count: number): Promise<string> {
  let text = ''
  for (let taken = 0; taken < count; taken++) {
    const step = await chunks.next()
    if (step.done) throw new Error(`the stream ended after ${taken} chunks`)
    text += textOf(step.value)
  }
  return text
}

/** The text up to the end of the stream. */
export async function takeAll(chunks: AsyncIterator<ChatCompletionChunk>): Promise<string> {
  let text = ''
  for (;;) {
    const step = await chunks.next()
    if (step.done) return text
    text += textOf(step.value)
  }
}

function textOf(chunk: ChatCompletionChunk): string {
  return chunk.choices[0]?.delta.content ?? ''
}

/** A `fetch` that counts what goes over the wire. */
export function countingFetch(): { fetch: typeof fetch; count(): number } {
  let count = 0
  return {
    fetch: (input, init) => {
      count++
      return fetch(input, init)
    },
    count: () => count,
  }
}
