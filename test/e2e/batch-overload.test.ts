import type { ServerResponse } from 'node:http'
import { readBatchStatus } from 'retrysafe/internal/batch/file/status-file'
import { afterAll, expect, test } from 'vitest'
import { chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { eventually } from '../support/eventually.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)

const json = { 'Content-Type': 'application/json' }

function answer(response: ServerResponse): void {
  const usage = '{"prompt_tokens":2,"completion_tokens":3}'
  response.writeHead(200, json).end(`{"id":"c","model":"m-1","choices":[],"usage":${usage}}`)
}

interface Seen {
  served: number
  refused: number
  /** At once. */
  most: number
}

/** A provider that serves so many at once and refuses the others; it is slow until it has refused somebody. */
function serveAtOnce(capacity: number): Seen {
  const seen: Seen = { served: 0, refused: 0, most: 0 }
  const serving: ServerResponse[] = []
  upstream.answerWith(response => {
    seen.most = Math.max(seen.most, serving.length + 1)
    if (serving.length < capacity) serving.push(response)
    else {
      seen.refused++
      response.writeHead(429, { ...json, 'Retry-After-Ms': '50' }).end('{"error":{"message":"too many"}}')
    }
    if (seen.refused === 0) return
    for (const served of serving.splice(0)) {
      seen.served++
      answer(served)
    }
  })
  return seen
}

/** What `--json` says of how many calls may be under way. */
function limitsIn(stdout: string): readonly number[] {
  const lines = stdout.trim().split('\n')
  return lines.map(line => Number(JSON.parse(line).limit))
}

test('a provider that takes four at once and refuses others gets fewer, and nothing fails', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(60))
  const seen = serveAtOnce(4)
  const { code, stdout } = await batch.run(upstream.url, ['--retries', '0', '--json'])
  expect(code).toBe(0)
  expect([seen.served, batch.outputs().length, batch.failures().length]).toEqual([60, 60, 0])
  expect(seen.most).toBe(5)
  expect(seen.refused).toBeGreaterThan(0)
  // Half of sixteen, and back to thirteen at most: that takes more answers than there are before it tries more.
  expect(limitsIn(stdout).at(-1)).toBeLessThanOrEqual(13)
})

test('--no-adaptive keeps to --concurrency', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(30))
  const seen = serveAtOnce(4)
  const { code, stdout } = await batch.run(upstream.url, ['--no-adaptive', '--concurrency', '10', '--json'])
  expect([code, seen.served, batch.outputs().length]).toEqual([0, 30, 30])
  expect(seen.refused).toBeGreaterThan(0)
  expect(new Set(limitsIn(stdout))).toEqual(new Set([10]))
})

test('--tokens-per-minute is kept: a call that is larger than what there is waits for its minute', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(4))
  upstream.answerWith(answer)
  const runner = await batch.start(upstream.url, ['--tokens-per-minute', '5'])
  // Its first call has brought it into debt.
  await eventually(() => readBatchStatus(batch.output, [])).toMatchObject({ state: 'running', done: 1, inFlight: 0 })
  runner.terminate()
  expect((await runner.exited).code).toBe(1)
  expect(upstream.received).toHaveLength(1)
})

test('a provider that is gone for a while is waited for, and no item pays for it with its retries', async () => {
  const { hostname, port } = new URL(upstream.url)
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) })
  try {
    const batch = makeBatchFolder()
    batch.write(chatItems(40))
    upstream.answerWith((response, _, count) => {
      // From the tenth call on nobody takes a connection; those that are there are told to close.
      if (count === 10) proxy.refuse()
      response.setHeader('Connection', 'close')
      answer(response)
    })
    const runner = await batch.start(proxy.through(upstream.url), ['--retries', '0', '--concurrency', '2'])
    await eventually(async () => (await readBatchStatus(batch.output, [])).trouble).toMatch(/ECONNREFUSED/)
    expect((await readBatchStatus(batch.output, [])).state).toBe('running')
    await proxy.accept()
    expect((await runner.exited).code).toBe(0)
    expect([upstream.received.length, batch.outputs().length]).toEqual([40, 40])
  } finally {
    proxy.stop()
  }
})
