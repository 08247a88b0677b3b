import { existsSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readBatchStatus } from 'retrysafe/internal/batch/file/status-file'
import { afterAll, describe, expect, test } from 'vitest'
import { chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { eventually } from '../support/eventually.ts'
import { freePort, startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)

const json = { 'Content-Type': 'application/json', 'X-Request-Id': 'req-1' }

function itemOf(request: IncomingMessage): number {
  return Number(new URL(request.url ?? '', 'http://h').searchParams.get('item'))
}

function answer(response: ServerResponse): void {
  const usage = '{"prompt_tokens":2,"completion_tokens":3}'
  response.writeHead(200, json).end(`{"id":"c","model":"m-1","choices":[],"usage":${usage}}`)
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...json, ...headers }).end('{"error":{"message":"not now"}}')
}

function askedFor(item: number): number {
  return upstream.received.filter(request => itemOf(request) === item).length
}

describe('an item that fails', () => {
  test('is set aside with what was said of it; the rest goes on, and the same command tries it again', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(5))
    upstream.answerWith((response, request) => (itemOf(request) === 3 ? refuse(response, 400) : answer(response)))
    const first = await batch.run(upstream.url)
    expect(first).toMatchObject({ code: 1, stdout: expect.stringContaining('4 of 5: 0 kept, 0 replayed') })
    expect(first.stdout).toContain('Run the same command again to try the 1 failed item again.')
    expect(first.stderr).toMatch(/doc-3.*400/)
    expect(batch.failures()).toEqual([
      {
        id: expect.stringMatching(/^batch_req_[0-9a-f]{48}$/),
        custom_id: 'doc-3',
        response: { status_code: 400, request_id: 'req-1', body: { error: { message: 'not now' } } },
        error: null,
      },
    ])
    expect(askedFor(3)).toBe(1)

    upstream.answerWith(answer)
    expect((await batch.run(upstream.url)).code).toBe(0)
    expect([upstream.received.length, batch.outputs().length, existsSync(batch.errors)]).toEqual([1, 5, false])
  })

  test('is tried as often as --retries says', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(3))
    upstream.answerWith((response, request) => (itemOf(request) === 2 ? refuse(response, 500) : answer(response)))
    expect((await batch.run(upstream.url, ['--retries', '2'])).code).toBe(1)
    expect([askedFor(1), askedFor(2), askedFor(3)]).toEqual([1, 3, 1])
  })

  test('with an error inside of a 200 has failed, and is tried again', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(1))
    upstream.answerWith((response, _, count) =>
      count === 1 ? response.writeHead(200, json).end('{"error":{"message":"overloaded"}}') : answer(response),
    )
    expect((await batch.run(upstream.url)).code).toBe(0)
    expect(upstream.received).toHaveLength(2)
  })

  test('whose answer is cut may have been paid: it is sent once more, with the same key, and not a third time', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(1))
    upstream.answerWith(response => response.writeHead(200, json).write('{"id"', () => response.destroy()))
    expect((await batch.run(upstream.url)).code).toBe(1)
    const keys = upstream.received.map(request => request.headers['idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
  })

  test('under --on-crash fail is not sent again where it may have been paid', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(1))
    upstream.answerWith(response => response.destroy())
    expect((await batch.run(upstream.url, ['--on-crash', 'fail'])).code).toBe(1)
    const again = await batch.run(upstream.url, ['--on-crash', 'fail'])
    expect(again.code).toBe(1)
    expect(again.stdout).toContain('1 item may have been paid for (OUTCOME_UNKNOWN), and will not be sent again')
    expect(upstream.received).toHaveLength(1)
    expect(batch.failures()).toMatchObject([{ custom_id: 'doc-1', error: { code: 'OUTCOME_UNKNOWN' } }])
  })
})

describe('an upstream that is asked too much', () => {
  test('is waited for as long as it says, and nothing fails', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(6))
    upstream.answerWith((response, _, count) =>
      count <= 3 ? refuse(response, 429, { 'Retry-After': '1' }) : answer(response),
    )
    // No retries: throttling is not the item's fault.
    const { code, stdout } = await batch.run(upstream.url, ['--retries', '0', '--concurrency', '3'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('6 of 6')])
    expect(batch.failures()).toEqual([])
  })

  test('--requests-per-minute is kept', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(4))
    upstream.answerWith(answer)
    const runner = await batch.start(upstream.url, ['--requests-per-minute', '1'])
    // Its one call is over, and three wait for their minute.
    await eventually(() => readBatchStatus(batch.output, [])).toMatchObject({ state: 'running', done: 1, inFlight: 0 })
    runner.terminate()
    expect((await runner.exited).code).toBe(1)
    expect(upstream.received).toHaveLength(1)
  })
})

test('where nobody answers it gives up after --give-up-after, says why, and no item has failed', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(3))
  const { code, stdout, stderr } = await batch.run(`http://127.0.0.1:${await freePort()}`, ['--give-up-after', '1s'])
  expect([code, stdout]).toEqual([1, expect.stringContaining('stopped: nothing answers\n  done     0 of 3')])
  expect(stderr).toContain('ECONNREFUSED')
  expect([batch.outputs(), batch.failures()]).toEqual([[], []])
})

test('a key that nobody takes ends the batch before all of it is refused', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(500))
  upstream.answerWith(response => refuse(response, 401))
  const { code, stdout, stderr } = await batch.run(upstream.url, ['--concurrency', '4'])
  expect([code, stdout]).toEqual([1, expect.stringContaining('stopped: every call is refused')])
  // Behind all the items that failed.
  expect(stderr).toMatch(/refused with 401: look at the API key/)
  expect(upstream.received.length).toBeLessThan(60)
})

describe('credentials', () => {
  test('go to the upstream and nowhere else', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(4))
    upstream.answerWith((response, request, count) =>
      count === 2 ? refuse(response, 400, { 'X-Seen': String(request.headers.authorization) }) : answer(response),
    )
    const flags = ['--api-key-env', 'MY_KEY', '--header', 'X-Team: secret-team']
    const { code, stdout, stderr } = await batch.run(upstream.url, flags, { MY_KEY: 'sk-secret-7' })
    expect(code).toBe(1)
    const seen = upstream.received.map(({ headers }) => [headers.authorization, headers['x-team']])
    expect(seen).toEqual(Array.from({ length: 4 }, () => ['Bearer sk-secret-7', 'secret-team']))
    for (const secret of ['sk-secret-7', 'secret-team']) {
      expect(stdout + stderr).not.toContain(secret)
      expect(batch.filesWith(secret)).toEqual([])
    }
    // The search finds what is there.
    expect(batch.filesWith('doc-1')).toContain(batch.input)
  })

  test('a key in the environment alone is not sent; and what is a path on this machine stays here', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(1))
    upstream.answerWith(answer)
    expect((await batch.run(upstream.url, [], { OPENAI_API_KEY: 'sk-secret' })).code).toBe(0)
    const [sent] = upstream.received
    expect(sent?.headers.authorization).toBeUndefined()
    expect(sent?.headers['idempotency-key']).toMatch(/^path-[0-9a-f]{32}:doc-1%23[0-9a-f]{32}$/)
  })
})
