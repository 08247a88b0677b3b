import { contentKey, createRetrysafe } from 'retrysafe'
import { createFetch, type Fetch } from 'retrysafe/client'
import { afterAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { openStage } from '../support/stage.ts'

// The client of the articles, as docs/from-the-articles.md has it: what it promises there, with createFetch, and what
// becomes of the same calls without.

const { sandbox, gateway } = await openStage()
const safe = createRetrysafe({ store: 'memory:' })
afterAll(() => safe.close())

interface Terms {
  readonly url: string
  readonly key?: string
  readonly fault?: string
  readonly prompt?: string
  readonly signal?: AbortSignal
}

/** Asks for one answer; its status and its id. */
async function ask(send: Fetch, { url, key, fault, prompt = 'hi', signal }: Terms): Promise<[number, string]> {
  const answer = await send(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: 'Bearer sk-articles',
      ...(key !== undefined && { 'Idempotency-Key': key }),
      ...(fault !== undefined && { 'Sandbox-Fault': fault }),
    },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: prompt }] }),
    signal: signal ?? null,
  })
  return [answer.status, ((await answer.json()) as { id?: string }).id ?? '']
}

const quick = { baseDelayMs: 1, maxDelayMs: 50 }
const runs = async (): Promise<number> => (await sandbox.meter.all()).runs

test('call_with_idempotency: one key through all attempts, and a second call with it has the same id', async () => {
  const client = createFetch({ ...quick, retries: 3 })
  const terms = { url: gateway.url, key: 'articles-1', fault: 'status=500,times=2' }
  expect(await ask(client, terms)).toEqual([200, 'chatcmpl-sandbox-1'])
  expect(await ask(client, terms)).toEqual([200, 'chatcmpl-sandbox-1'])
  expect(client.counts()).toEqual({ calls: 2, attempts: 4, ambiguous: 0, resumes: 0 })
  expect(await sandbox.meter.runs('articles-1')).toBe(1)
})

test('a client times out and retries: one run', async () => {
  const client = createFetch({ ...quick, headTimeoutMs: 300, honoursKeys: [gateway.url], retries: 20 })
  expect(await ask(client, { url: gateway.url, fault: 'delay=1s' })).toEqual([200, 'chatcmpl-sandbox-1'])
  expect(client.counts().attempts).toBeGreaterThanOrEqual(2)
  expect(await runs()).toBe(1)
})

test('control: a client without a key times out and retries: two runs', async () => {
  const terms = { url: gateway.url, fault: 'hang,times=1' }
  const timeout = new AbortController()
  const first = ask(fetch, { ...terms, signal: timeout.signal })
  await eventually(runs).toBe(1)
  timeout.abort(new Error('timed out'))
  await expect(first).rejects.toThrow('timed out')
  await ask(fetch, terms)
  expect(await runs()).toBe(2)
})

test('no retry of a 400, and none is kept', async () => {
  const client = createFetch(quick)
  const terms = { url: gateway.url, key: 'articles-2' }
  expect(await ask(client, { ...terms, fault: 'status=400,times=1' })).toEqual([400, ''])
  expect(client.counts().attempts).toBe(1)
  expect(await ask(client, terms)).toEqual([200, 'chatcmpl-sandbox-1'])
})

test('deduplication by the client, where the API has none: the same prompt is one run', async () => {
  const client = createFetch({ ...quick, safe, key: async request => contentKey(await request.json()) })
  const twice = [ask(client, { url: sandbox.url }), ask(client, { url: sandbox.url })]
  expect(await Promise.all(twice)).toEqual([
    [200, 'chatcmpl-sandbox-1'],
    [200, 'chatcmpl-sandbox-1'],
  ])
  expect(await ask(client, { url: sandbox.url })).toEqual([200, 'chatcmpl-sandbox-1'])
  expect(await runs()).toBe(1)
  await ask(client, { url: sandbox.url, prompt: 'another' })
  expect(await runs()).toBe(2)
})

test('control: without it every call runs', async () => {
  for (const _ of [1, 2]) await ask(fetch, { url: sandbox.url })
  expect(await runs()).toBe(2)
})
