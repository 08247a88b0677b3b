import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, open } from '../support/exchange.ts'
import { findFreePort } from '../support/free-port.ts'
import { makeStoreFolder, startOneGateway } from '../support/gateway.ts'
import { runProgram } from '../support/program.ts'
import { rawPost, sayRaw } from '../support/raw-client.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { startSandbox } from '../support/sandbox.ts'
import { chat, openAi } from '../support/sdk.ts'
import { readObserved } from '../support/stats.ts'

const prices = join(makeStoreFolder(), 'prices.json')
writeFileSync(
  prices,
  JSON.stringify({ asOf: '2026-05-01', providers: { sandbox: { 'sandbox-model': { input: 1_000, output: 10_000 } } } }),
)
const sandbox = await startSandbox()
afterAll(sandbox.stop)
const raw = await startRawUpstream()
afterAll(raw.stop)
// A store that nobody serves: who only looks on needs none.
const gone = `redis://127.0.0.1:${await findFreePort()}`
const gateway = await startOneGateway(
  [`sandbox=${sandbox.url}`, `raw=${raw.url}`],
  ['--observe', '--store', gone, '--prices', prices, '--keyless', 'require'],
)
afterAll(gateway.stop)

function post(body: string, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(`${gateway.url}/sandbox/v1/chat/completions`, {
    headers: { Authorization: 'Bearer sk-one', 'Content-Type': 'application/json', ...headers },
    body,
  })
}

function says(text: string): string {
  return JSON.stringify(chat(text))
}

const key = (name: string): Record<string, string> => ({ 'Idempotency-Key': name })

test('the duplicates of a scripted mix are found, all of them and no others, with what they cost', async () => {
  const sdk = openAi(`${gateway.url}/sandbox`, { maxRetries: 2, apiKey: 'sk-one' })
  // By key: one after the other, spelled otherwise; at once; and after its client had left.
  await post(says('one'), key('after'))
  await post(JSON.stringify(chat('one'), null, 2), key('after'))
  await Promise.all([post(says('two'), key('at-once')), post(says('two'), key('at-once'))])
  const leaving = new AbortController()
  const left = open(`${gateway.url}/sandbox/v1/chat/completions`, {
    headers: {
      Authorization: 'Bearer sk-one',
      'Content-Type': 'application/json',
      ...key('left'),
      'Sandbox-Fault': 'hang',
    },
    body: says('three'),
    signal: leaving.signal,
  }).catch(() => {})
  await eventually(() => sandbox.meter.runs('left')).toBe(1)
  leaving.abort()
  await left
  await post(says('three'), key('left'))
  // Larger than is read before it goes on; and than is kept to be compared by what it says.
  for (const [name, length] of [
    ['large', 200_000],
    ['huge', 1_500_000],
  ] as const) {
    for (let times = 0; times < 2; times++) await post(says('x'.repeat(length)), key(name))
  }
  // Innocents with a key: after a failure, another tenant's, another key.
  await post(says('four'), { ...key('failed'), 'Sandbox-Fault': 'status=500' })
  await post(says('four'), key('failed'))
  await post(says('one'), { ...key('after'), Authorization: 'Bearer sk-two' })
  await post(says('one'), key('another'))
  // A used key with another payload.
  await post(says('five'), key('after'))
  // The SDK itself: its time-out is shorter than the first answer; and after a 500, which is no duplicate.
  const slow = { timeout: 1_000, headers: { 'Sandbox-Fault': 'delay=3s, times=1' } }
  expect((await sdk.chat.completions.create(chat('six'), slow)).choices[0]?.message.content).toContain('six')
  const failing = { headers: { 'Sandbox-Fault': 'status=500, times=1' } }
  expect((await sdk.chat.completions.create(chat('seven'), failing)).choices[0]?.message.content).toContain('seven')
  // Without a key or a count: identical, another tenant's, another text.
  await post(says('eight'))
  await post(says('eight'))
  await post(says('eight'), { Authorization: 'Bearer sk-two' })
  await post(says('nine'))

  await eventually(async () => (await readObserved(gateway.admin)).totals.requests).toBe(23)
  const { totals, rows, forgotten } = await readObserved(gateway.admin)
  const known = { callsWithoutUsage: 0, callsWithoutPrice: 0, cachedInputTokens: 0, cacheWriteTokens: 0 }
  // A word in and five out, each time; a million cost 1,000 and 10,000 USD.
  const one = { ...known, seen: 1, calls: 1, inputTokens: 1, outputTokens: 5, usd: 0.051 }
  const byKey = { ...known, seen: 5, calls: 5, inputTokens: 5, outputTokens: 25, usd: 0.255 }
  // Two were left before anybody said what they used.
  const unsaid = { callsWithoutUsage: 2, callsWithoutPrice: 2 }
  const used = { ...known, ...unsaid, calls: 21, inputTokens: 19, outputTokens: 95, usd: 0.969 }
  expect(totals).toEqual({ requests: 23, used, byKey, bySdkRetry: one, identical: one, reused: 1 })
  expect(forgotten).toBe(0)
  expect(new Set(rows.map(({ route }) => route))).toEqual(new Set(['sandbox /v1/chat/completions']))
  expect(new Set(rows.map(({ model }) => model))).toEqual(new Set(['sandbox-model', 'unknown']))
  // Nothing was held back: the upstream had them all, and ran what it did not fail.
  expect(await sandbox.meter.all()).toMatchObject({ received: 23, runs: 21, failed: 2 })

  expect(gateway.ready.store).toBe('none')
  expect(gateway.stderr()).toBe(
    'retrysafe: observing: every request passes untouched, nothing is recorded, replayed or refused, and no store is opened; without effect meanwhile: --keyless require\n',
  )
  const { stdout } = await runProgram(['stats', '--admin', gateway.admin])
  for (const line of [
    '  23 requests: ≥114 tokens, ≥0.969000 USD (2 without usage, 2 of a model without a price)',
    '  duplicates with a key              5: 30 tokens, 0.255000 USD',
    '  retries after a client had left    1: 6 tokens, 0.051000 USD',
    '  identical requests without a key   1: 6 tokens, 0.051000 USD; one run under --keyless fingerprint alone',
    '  sandbox /v1/chat/completions        23       5        1      36  0.306000          1       6  0.051000       1',
  ]) {
    expect(stdout.split('\n')).toContain(line)
  }
}, 30_000)

/** Without what belongs to one connection, and the chunks put together. */
function endToEnd(message: string): string {
  const [head = '', body = ''] = message.split(/\r\n\r\n(.*)/s)
  const lines = head.split('\r\n').filter(line => !/^(connection|keep-alive|transfer-encoding|host):/i.test(line))
  const isChunked = /^transfer-encoding: chunked$/im.test(head)
  return `${lines.join('\r\n')}\r\n\r\n${isChunked ? withoutChunks(body) : body}`
}

function withoutChunks(body: string): string {
  const [, size, rest = ''] = /^([0-9a-f]+)\r\n(.*)$/is.exec(body) ?? []
  const length = Number.parseInt(size ?? '0', 16)
  return length === 0 ? '' : rest.slice(0, length) + withoutChunks(rest.slice(length + 2))
}

const packed = gzipSync(
  '{"model":"sandbox-model","usage":{"prompt_tokens":4,"completion_tokens":5},"choices":[{"finish_reason":"stop"}]}',
)
const answers: [string, string][] = [
  [
    'headers that are ours elsewhere, in their own spelling and order',
    'HTTP/1.1 200 OK\r\ncontent-TYPE: text/plain\r\nX-Odd: a  b\r\nAge: 7\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nIdempotent-Replayed: true\r\nRetrysafe-Outcome: executed\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 5\r\n\r\nh\u00e9llo',
  ],
  [
    'an encoded body',
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nDate: x\r\nContent-Length: ${packed.byteLength}\r\n\r\n${packed.toString('latin1')}`,
  ],
  [
    'a stream, an error in it',
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n1c\r\n{"error":{"message":"no"}}\n\n\r\n0\r\n\r\n',
  ],
  [
    'an error',
    'HTTP/1.1 429 Slow Down\r\nRetry-After: 3\r\nX-Should-Retry: false\r\nDate: x\r\nContent-Length: 2\r\n\r\n{}',
  ],
]

test.each(answers)('byte for byte as without us, in both directions: %s', async (_, answer) => {
  raw.answerWith(socket => socket.end(answer, 'latin1'))
  const headers = {
    'Idempotency-Key': 'raw',
    'retrysafe-WAIT': '1',
    Authorization: 'Bearer sk-raw',
    'Content-Type': 'application/json',
    'Accept-Encoding': 'gzip, br',
    Connection: 'close',
  }
  const path = '/v1/chat/completions?api-version=1'
  const direct = await sayRaw(raw.url, rawPost(path, headers, '{"a" :1.0}'))
  const through = await sayRaw(gateway.url, rawPost(`/raw${path}`, headers, '{"a" :1.0}'))
  expect(endToEnd(through)).toBe(endToEnd(direct))
  const [sentDirect = '', sentThrough = ''] = raw.requests
  expect(linesOf(sentThrough)).toEqual(linesOf(sentDirect))
})

test('a long body is compared from its first byte on, also where that comes in one piece with the head', async () => {
  const before = (await readObserved(gateway.admin)).totals
  raw.answerWith(socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: x\r\n\r\n{}', 'latin1'))
  const headers = { 'Idempotency-Key': 'long', Authorization: 'Bearer sk-raw', Connection: 'close' }
  for (const first of ['a', 'b', 'c']) {
    await sayRaw(gateway.url, rawPost('/raw/long', headers, `${first}${'x'.repeat(100_000)}`))
  }
  await eventually(async () => (await readObserved(gateway.admin)).totals.requests).toBe(before.requests + 3)
  const { reused, byKey } = (await readObserved(gateway.admin)).totals
  expect([reused - before.reused, byKey.seen - before.byKey.seen]).toEqual([2, 0])
})

test('streams of another Retrysafe behind it are resumed there', async () => {
  raw.answerWith(socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 8\r\nDate: x\r\n\r\nthe rest', 'latin1'))
  const bare = await startOneGateway(raw.url, ['--observe'])
  onTestFinished(bare.stop)
  const path = '/_retrysafe/streams/an-id-of-theirs?offset=3'
  const { status, text } = await ask(bare.url + path, { method: 'GET', headers: { Authorization: 'Bearer sk-raw' } })
  expect([status, text]).toEqual([200, 'the rest'])
  expect((await ask(`${bare.url}/_retrysafe/livez`, { method: 'GET' })).text).toBe('ok\n')
})

/** In any order: what frames a request is written anew. */
function linesOf(request: string): string[] {
  return endToEnd(request)
    .replace(/^content-length/im, 'Content-Length')
    .split('\r\n')
    .sort()
}

test('what an encoded answer used is read beside its way', async () => {
  const { rows } = await readObserved(gateway.admin)
  const row = rows.find(({ route, model }) => route === 'raw /v1/chat/completions' && model === 'sandbox-model')
  expect([row?.requests, row?.used.inputTokens, row?.used.outputTokens, row?.used.usd]).toEqual([1, 4, 5, 0.054])
})
