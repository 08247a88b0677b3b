import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Store } from '../../src/engine/store.ts'
import { createRetrysafe, type Retrysafe } from '../../src/retrysafe.ts'

/** Serves until the test has finished; gives the URL. */
export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** On the memory store, or another, until the test has finished. */
export function openSafe(store: Store | string = 'memory:'): Retrysafe {
  const safe = createRetrysafe({ store })
  onTestFinished(() => safe.close({ drainMs: 0 }))
  return safe
}

/** Posts JSON, or what else the headers say, under a key. */
export function post(url: string, key: string, init: RequestInit = {}): Promise<Response> {
  const { body = '{"a":1}', headers, ...rest } = init
  const all = { 'Idempotency-Key': key, 'Content-Type': 'application/json', ...(headers as Record<string, string>) }
  return fetch(url, { method: 'POST', body, headers: all, ...rest })
}

/** Status, outcome and text. */
export async function told(answer: Promise<Response>): Promise<[number, string | null, string]> {
  const response = await answer
  return [response.status, response.headers.get('retrysafe-outcome'), await response.text()]
}

export type ReadChunk = () => Promise<string | undefined>

/** Reads an answer as it comes: the next bytes as text, `undefined` at its end. */
export function chunksOf(response: Response): ReadChunk {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  return async () => {
    const step = await reader?.read()
    return step === undefined || step.done ? undefined : decoder.decode(step.value, { stream: true })
  }
}

const json = { 'Content-Type': 'application/json', 'Content-Length': 7 }

/** Posts under the key k, reads the first bytes of the answer, and leaves; resolves when it has left. */
export async function leave(url: string): Promise<void> {
  const asked = httpRequest(url, { method: 'POST', headers: { 'Idempotency-Key': 'k', ...json }, agent: false })
  asked.on('error', () => {})
  asked.end('{"a":1}')
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  await once(answer, 'data')
  asked.destroy()
  await once(asked, 'close')
}

/** The status of a request with two lines of keys: so Node's client sends an array. */
export async function sendTwoKeys(url: string): Promise<number | undefined> {
  const asked = httpRequest(url, { method: 'POST', headers: { 'Idempotency-Key': ['a', 'b'], ...json } })
  asked.end('{"a":1}')
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode
}
