import type { ServerResponse } from 'node:http'
import { afterAll, expect, test } from 'vitest'
import { chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)

const json = { 'Content-Type': 'application/json' }
const outageMs = 2_000

/** How often each item was answered by a host that says `status` to everything for a while from the first call on. */
function failFirst(status: number): Map<string, number> {
  const paid = new Map<string, number>()
  let wellAtMs: number | undefined
  upstream.answerWith((response: ServerResponse, request) => {
    wellAtMs ??= performance.now() + outageMs
    if (performance.now() < wellAtMs) return response.writeHead(status, json).end('{"error":{"message":"down"}}')
    const url = request.url ?? ''
    paid.set(url, (paid.get(url) ?? 0) + 1)
    response.writeHead(200, json).end('{"id":"c","model":"m-1","choices":[],"usage":{"prompt_tokens":2}}')
  })
  return paid
}

test('a host that answers 500 to everything for a while sets nothing aside', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(100))
  const paid = failFirst(500)
  const { code } = await batch.run(upstream.url, ['--retries', '2'])
  expect([code, batch.outputs().length, batch.failures()]).toEqual([0, 100, []])
  expect([...paid.values()]).toEqual(Array.from({ length: 100 }, () => 1))
  expect(upstream.received.length).toBeLessThan(160)
})

test('one that answers 502, which may have been paid, sets aside the few that tried it for all', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(100))
  const paid = failFirst(502)
  await batch.run(upstream.url)
  const failed = batch.failures().length
  expect(failed).toBeLessThanOrEqual(6)
  expect(batch.outputs()).toHaveLength(100 - failed)
  expect([...paid.values()].every(times => times === 1)).toBe(true)
})
