import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { startGateway, startOneGateway } from '../support/gateway.ts'
import { listRecords, stateOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { type Answerer, startUpstream } from '../support/upstream.ts'

const ok: Answerer = (response, _, count) => response.end(`{"run":${count}}`)
const upstream = await startUpstream(ok)
afterAll(() => upstream.stop())
let arrivedAtMs: number[] = []
beforeEach(() => {
  arrivedAtMs = []
})

const [rerun, fail] = await Promise.all([
  startOneGateway(upstream.url, ['--upstream-retries', '3']),
  startOneGateway(upstream.url, ['--upstream-retries', '3', '--on-crash', 'fail']),
])
afterAll(() => Promise.all([rerun.stop(), fail.stop()]))

/** Answers so, this often, and then well. */
function failing(times: number, answer: Answerer): void {
  upstream.answerWith((response, request, count) => {
    arrivedAtMs.push(performance.now())
    return count <= times ? answer(response, request, count) : ok(response, request, count)
  })
}

const status =
  (code: number, headers: Record<string, string> = {}): Answerer =>
  (response, _, count) =>
    response.writeHead(code, { 'Retry-After-Ms': '1', ...headers }).end(`failure ${count}`)
const cut: Answerer = response => response.destroy()

let keys = 0
function send(
  url: string,
  key = `key-${keys++}`,
  more: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, ...more }
  return ask(`${url}/thing`, { headers, body: '{}', ...(signal && { signal }) })
}

function told({ status: code, headers, text }: Answer): [number, unknown, string] {
  return [code, headers['retrysafe-outcome'], text]
}

describe('--upstream-retries 3', () => {
  test.each<[string, Answerer]>([
    ['500', status(500)],
    ['503', status(503)],
    ['429', status(429)],
    ['409', status(409)],
    ['408', status(408)],
    ['a refusal that says to come again', status(405, { 'X-Should-Retry': 'true' })],
    ['502, of which nobody knows', status(502)],
    ['a connection that is cut', cut],
    [
      'a failure that is cut',
      response => {
        response.writeHead(500, { 'Content-Length': '100' }).write('half')
        setImmediate(() => response.destroy())
      },
    ],
  ])('%s, twice: a third run that its caller does not see, under one key', async (name, answer) => {
    failing(2, answer)
    const key = `mended-${name.replaceAll(/[^a-z0-9]+/g, '-')}`
    expect(told(await send(rerun.url, key))).toEqual([200, 'executed', '{"run":3}'])
    expect(upstream.received.map(({ headers }) => headers['idempotency-key'])).toEqual([key, key, key])
    expect(told(await send(rerun.url, key))).toEqual([200, 'replayed', '{"run":3}'])
    expect(upstream.received).toHaveLength(3)
  })

  test('the last failure is its caller’s, as it came; the key is free', async () => {
    failing(4, status(503, { 'X-Request-Id': 'of-the-upstream' }))
    const answer = await send(rerun.url, 'last')
    expect(told(answer)).toEqual([503, 'executed', 'failure 4'])
    expect(answer.headers).toMatchObject({ 'x-request-id': 'of-the-upstream', 'retry-after-ms': '1' })
    expect(upstream.received).toHaveLength(4)
    expect(told(await send(rerun.url, 'last'))).toEqual([200, 'executed', '{"run":5}'])
  })

  test.each<[string, Answerer]>([
    ['400', status(400)],
    ['422, whatever it says', status(422, { 'X-Should-Retry': 'true' })],
    ['500 that says not to', status(500, { 'X-Should-Retry': 'false' })],
    ['a redirection', status(307, { Location: '/x' })],
    ['a rest that is too long', status(503, { 'Retry-After': '120', 'Retry-After-Ms': '' })],
    ['a failure too long to be kept back', response => response.writeHead(500).end('x'.repeat(70_000))],
    [
      'a stream that breaks off',
      response => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: {}\n\n')
        setImmediate(() => response.destroy())
      },
    ],
  ])('%s is shown at once', async (_, answer) => {
    failing(1, answer)
    const shown = await send(rerun.url).catch(() => 'broken')
    if (typeof shown !== 'string') expect(shown.text).not.toBe('{"run":2}')
    expect(upstream.received).toHaveLength(1)
  })

  test('the rest that the upstream asks for is kept', async () => {
    failing(1, status(503, { 'Retry-After-Ms': '300' }))
    expect(told(await send(rerun.url))).toEqual([200, 'executed', '{"run":2}'])
    expect((arrivedAtMs[1] ?? 0) - (arrivedAtMs[0] ?? 0)).toBeGreaterThan(298)
  })

  test('a client that would not wait that long gets the failure in time', async () => {
    failing(1, status(503, { 'Retry-After-Ms': '900' }))
    expect(told(await send(rerun.url, undefined, { 'X-Stainless-Timeout': '1' }))).toEqual([
      503,
      'executed',
      'failure 1',
    ])
  })

  test('many who wait for one key: it is run as often as for one of them', async () => {
    failing(2, status(500, { 'Retry-After-Ms': '50' }))
    const mended = await Promise.all(Array.from({ length: 10 }, () => send(rerun.url, 'crowd')))
    expect(new Set(mended.map(({ status: code, text }) => `${code} ${text}`))).toEqual(new Set(['200 {"run":3}']))
    expect(upstream.received).toHaveLength(3)
    failing(100, status(500, { 'Retry-After-Ms': '50' }))
    const failed = await Promise.all(Array.from({ length: 10 }, () => send(rerun.url, 'lost-crowd')))
    for (const { status: code } of failed) expect([409, 500]).toContain(code)
    expect(upstream.received.length).toBeLessThanOrEqual(4)
  })

  test('a client that has left is not run for again', async () => {
    failing(1, status(500, { 'Retry-After-Ms': '300' }))
    const leaving = new AbortController()
    const left = send(rerun.url, 'left', {}, leaving.signal).catch(() => 'left')
    await eventually(() => upstream.received).toHaveLength(1)
    await eventually(() => stateOf(rerun.admin, 'left')).toBe('open')
    leaving.abort()
    expect(await left).toBe('left')
    expect(told(await send(rerun.url, 'left'))).toEqual([200, 'executed', '{"run":2}'])
  })
})

describe('what nobody knows the outcome of', () => {
  test('rerun: such runs are counted, and never more than --max-attempts', async () => {
    const gateway = await startGateway(upstream.url, ['--upstream-retries', '10', '--max-attempts', '2'])
    failing(100, cut)
    expect(problemOf(await send(gateway.url, 'counted'))).toMatchObject({ status: 502, code: 'UPSTREAM_UNREACHABLE' })
    expect(upstream.received).toHaveLength(2)
    expect(problemOf(await send(gateway.url, 'counted'))).toMatchObject({ status: 424, code: 'OUTCOME_UNKNOWN' })
    expect(upstream.received).toHaveLength(2)
    await gateway.stop()
  })

  test.each<[string, Answerer]>([
    ['a cut', cut],
    ['502', status(502)],
  ])('fail: %s is never followed by a run', async (_, answer) => {
    failing(100, answer)
    expect(problemOf(await send(fail.url))).toMatchObject({ status: 424, code: 'OUTCOME_UNKNOWN' })
    expect(upstream.received).toHaveLength(1)
  })

  test('fail: a failure that was said is', async () => {
    failing(2, status(500))
    expect(told(await send(fail.url))).toEqual([200, 'executed', '{"run":3}'])
  })
})

test('a call without a key that its client has left is not run again by us: its own retry does that', async () => {
  let fail = (): void => {}
  upstream.answerWith(response => {
    fail = () => void response.writeHead(500, { 'Retry-After-Ms': '1' }).end('failure')
  })
  const leaving = new AbortController()
  const headers = { Authorization: 'Bearer sk-test', 'X-Stainless-Retry-Count': '0' }
  const left = ask(`${rerun.url}/keyless`, { headers, body: '{}', signal: leaving.signal }).catch(() => 'left')
  await eventually(() => upstream.received).toHaveLength(1)
  leaving.abort()
  expect(await left).toBe('left')
  const ofThis = async (): Promise<string[]> =>
    (await listRecords(rerun.admin, '?limit=1000')).filter(({ label }) => label.path === '/keyless').map(r => r.state)
  await eventually(ofThis).toEqual(['running'])
  fail()
  await eventually(ofThis).toEqual(['open'])
  expect(upstream.received).toHaveLength(1)
})

test('a run that rests for its own failure takes no waiter’s place: retries go on under --max-waiters 0', async () => {
  const gateway = await startOneGateway(upstream.url, ['--upstream-retries', '2', '--max-waiters', '0'])
  failing(2, status(503, { 'Retry-After-Ms': '50' }))
  expect(told(await send(gateway.url))).toEqual([200, 'executed', '{"run":3}'])
  await gateway.stop()
})

test('against the sandbox: a caller without retries of its own is served, where without ours it is not', async () => {
  const sandbox = await startSandbox()
  const route = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'Sandbox-Fault': 'status=500, times=2',
  }
  const [bare, retrying] = await Promise.all([
    startOneGateway(sandbox.url),
    startOneGateway(sandbox.url, ['--upstream-retries', '2']),
  ])
  const charge = async ({ url }: { url: string }, key: string): Promise<number> =>
    (await ask(`${url}/effects/charge`, { headers: { ...route, 'Idempotency-Key': key }, body: '{}' })).status
  expect([await charge(bare, 'bare'), await charge(retrying, 'retrying')]).toEqual([500, 200])
  expect([await sandbox.meter.runs('bare'), await sandbox.meter.runs('retrying')]).toEqual([0, 1])
  await Promise.all([bare.stop(), retrying.stop(), sandbox.stop()])
})
