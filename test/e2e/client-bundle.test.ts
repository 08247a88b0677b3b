import { createContext, Script } from 'node:vm'
import { gzipSync } from 'node:zlib'
import type { AttemptEvent, createFetch } from 'retrysafe/client'
import { type OutputChunk, rolldown } from 'rolldown'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from '../house/source-files.ts'
import { openStage } from '../support/stage.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

// What a page in a browser loads of us: the built client, bundled and minified with nothing but the web platform around
// it, measured, and run where there is no Node.

const { sandbox, gateway } = await openStage()
const proxy = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) })
afterAll(proxy.stop)

/** A page's world: names that are in every browser, Deno, Bun and Workers, and no others. */
const webNames = [
  ...['fetch', 'Request', 'Response', 'Headers', 'FormData', 'Blob', 'File', 'URL', 'URLSearchParams'],
  ...['ReadableStream', 'WritableStream', 'TransformStream', 'TextEncoder', 'TextDecoder', 'AbortController'],
  ...['AbortSignal', 'DOMException', 'crypto', 'performance', 'setTimeout', 'clearTimeout', 'queueMicrotask'],
] as const
/** In a browser platform and page share them; a context of Node's would have its own. */
const languageNames = ['Object', 'Error', 'TypeError', 'Promise', 'Uint8Array', 'ArrayBuffer'] as const

async function bundle(path: string): Promise<OutputChunk> {
  const build = await rolldown({ input: `${root}${path}`, platform: 'browser', logLevel: 'silent' })
  const { output } = await build.generate({ format: 'iife', name: 'retrysafeClient', minify: true })
  await build.close()
  expect(output.map(part => part.type)).toEqual(['chunk'])
  return output[0]
}

interface Page {
  readonly createFetch: typeof createFetch
  /** What of Node the code sees. */
  readonly nodes: unknown
}

let chunk: OutputChunk
let page: Page
beforeAll(async () => {
  chunk = await bundle('packages/retrysafe/dist/client/index.js')
  page = open(chunk.code)
})

function open(code: string, others: object = {}): Page {
  const names = [...webNames, ...languageNames]
  const own = Object.fromEntries(names.map(name => [name, Reflect.get(globalThis, name)]))
  const world = createContext({ ...own, ...others })
  const nodes = 'typeof process + typeof Buffer + typeof require + typeof global + typeof setImmediate'
  return new Script(`${code}\n;({ ...retrysafeClient, nodes: ${nodes} })`).runInContext(world) as Page
}

/** A client in the page, without long waits, and what it heard. */
function openClient(from = page): { ask: ReturnType<typeof createFetch>; heard: AttemptEvent[] } {
  const heard: AttemptEvent[] = []
  const ask = from.createFetch({ baseDelayMs: 1, onAttempt: event => void heard.push(event) })
  return { ask, heard }
}

function chat(key: string, { fault, stream }: { fault?: string; stream: boolean }): RequestInit {
  return {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
      Authorization: 'Bearer sk-page',
      ...(fault !== undefined && { 'Sandbox-Fault': fault }),
    },
    body: JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: 'one two three four five six' }] }),
    // What a page's own fetch takes besides.
    credentials: 'omit',
  }
}

const path = '/v1/chat/completions'

test('the client is 12 kB at most, minified and in gzip, and needs nothing else', async () => {
  const gzipBytes = gzipSync(chunk.code).byteLength
  console.info(`retrysafe/client: ${chunk.code.length} bytes minified, ${gzipBytes} in gzip`)
  expect(gzipBytes).toBeLessThanOrEqual(12_000)
  expect([...chunk.imports, ...chunk.dynamicImports]).toEqual([])
  expect(chunk.code).not.toMatch(/node:|require\(/)
})

test('control: the library itself does need Node, and is seen to', async () => {
  const { code, imports } = await bundle('packages/retrysafe/dist/index.js')
  expect(imports).toContain('node:crypto')
  expect(() => open(code)).toThrow(/node_|is not defined/)
})

test('where there is no Node, it retries: one key, one run', async () => {
  expect(page.nodes).toBe('undefined'.repeat(5))
  const { ask, heard } = openClient()
  const answer = await ask(`${gateway.url}${path}`, chat('page-1', { fault: 'status=500,times=1', stream: false }))
  const body = (await answer.json()) as { choices: [{ message: { content: string } }] }
  expect(body.choices[0].message.content).toMatch(/one two three four five six$/)
  expect(heard.map(({ outcome }) => outcome)).toEqual([
    { kind: 'answered', status: 500 },
    { kind: 'answered', status: 200 },
  ])
  expect(ask.counts()).toEqual({ calls: 1, attempts: 2, ambiguous: 0, resumes: 0 })
  expect(await sandbox.meter.runs('page-1')).toBe(1)
})

test('where there is no Node, a broken stream goes on, and its run is one', async () => {
  const { ask } = openClient()
  const cut = proxy.cutAfter('server', 1_500)
  const answer = await ask(proxy.through(`${gateway.url}${path}`), chat('page-2', { stream: true }))
  const text = await answer.text()
  await cut
  expect(text).toMatch(/^data: .*data: \[DONE\]\n\n$/s)
  const whole = await fetch(`${gateway.url}${path}`, chat('page-2', { stream: true }))
  expect(text).toBe(await whole.text())
  expect(ask.counts()).toEqual({ calls: 1, attempts: 1, ambiguous: 0, resumes: 1 })
  expect(await sandbox.meter.runs('page-2')).toBe(1)
})

test('control: the same cut without it loses the rest', async () => {
  const cut = proxy.cutAfter('server', 1_500)
  const answer = await fetch(proxy.through(`${gateway.url}${path}`), chat('page-3', { stream: true }))
  await expect(answer.text()).rejects.toThrow(/terminated/)
  await cut
})

test('while it is loaded, it does nothing that a Worker refuses outside of a request', () => {
  const refuse = (): never => expect.fail('not while a script is loaded')
  const nothing = { fetch: refuse, setTimeout: refuse, crypto: { getRandomValues: refuse, randomUUID: refuse } }
  expect(open(chunk.code, nothing).nodes).toBe('undefined'.repeat(5))
  expect(() => open('setTimeout(() => {}, 1)', nothing)).toThrow(/not while a script is loaded/)
})

test.each([
  ['a body', 'page-4', '{"amount":3}'],
  ['an empty one', 'page-5', ''],
])('where a Request has no stream of its body, as in Firefox, %s is sent at every attempt', async (_, key, body) => {
  class FirefoxRequest extends Request {}
  Object.defineProperty(FirefoxRequest.prototype, 'body', { value: undefined })
  const { ask } = openClient(open(chunk.code, { Request: FirefoxRequest }))
  const headers = { 'Idempotency-Key': key, Authorization: 'Bearer sk-page', 'Sandbox-Fault': 'status=500,times=1' }
  const answer = await ask(new FirefoxRequest(`${gateway.url}/effects/charge`, { method: 'POST', headers, body }))
  expect(answer.status).toBe(200)
  expect(ask.counts().attempts).toBe(2)
  expect(await sandbox.meter.runs(key)).toBe(1)
})
