import { once, setMaxListeners } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, startOneGateway } from '../support/gateway.ts'
import { startSandbox } from '../support/sandbox.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
const gateway = await startOneGateway(sandbox.url)
afterAll(gateway.stop)

const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json' }
const outcomeOf = (answer: Answer): unknown => answer.headers['retrysafe-outcome']

function charge(key: string, body: string): Promise<Answer> {
  return ask(`${gateway.url}/effects/charge`, { headers: { ...headers, 'Idempotency-Key': key }, body })
}

test('JSON nested 100,000 deep is the same request in another spelling', async () => {
  const nested = (open: string, close: string): string => open.repeat(100_000) + close.repeat(100_000)
  expect(outcomeOf(await charge('deep', nested('[', ']')))).toBe('executed')
  expect(outcomeOf(await charge('deep', nested('[ ', ' ]')))).toBe('replayed')
  const other = await charge('deep', `[${nested('[', ']')}]`)
  expect(problemOf(other)).toEqual({ status: 422, code: 'KEY_REUSED', shouldRetry: 'false' })
  expect(await sandbox.meter.runs('deep')).toBe(1)
})

describe('while the canonical form of 32 MB of hostile JSON is made', () => {
  /** How often a gateway said that it lives between the last byte of that body and the answer to it. */
  async function livesWhileBusy({ url }: Gateway): Promise<{ status: number; lives: number }> {
    const first = await ask(`${url}/effects/charge`, { headers: { ...headers, 'Idempotency-Key': 'busy' }, body: '{}' })
    expect(first.status).toBe(200)
    const item = '{"b":0,"a":1e20},'
    const body = Buffer.from(`[${item.repeat(Math.floor(33_000_000 / item.length))}0]`)
    const sent = request(`${url}/effects/charge`, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'Idempotency-Key': 'busy', 'Content-Length': body.byteLength },
    })
    const finished = once(sent, 'finish')
    let isAnswered = false
    const answered = (once(sent, 'response') as Promise<[IncomingMessage]>).then(([response]) => {
      isAnswered = true
      response.resume()
      return response.statusCode ?? 0
    })
    sent.end(body)
    await finished
    let lives = 0
    while (!isAnswered) {
      const live = await ask(`${url}/_retrysafe/livez`, { method: 'GET' })
      expect(live.text).toBe('ok\n')
      lives++
    }
    return { status: await answered, lives }
  }

  test('a gateway answers others; control: one that may start no thread makes them wait', async () => {
    // Node's permission model refuses threads; then the form is made in the event loop.
    const permissions = ['--experimental-permission', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons']
    const environment = { NODE_OPTIONS: permissions.join(' ') }
    const threadless = await startOneGateway(sandbox.url, ['--store', 'memory:'], environment)
    afterAll(threadless.stop)
    const control = await livesWhileBusy(threadless)
    expect(threadless.stderr()).toContain('the thread for canonical forms died')
    const { status, lives } = await livesWhileBusy(gateway)
    expect([control.status, status]).toEqual([422, 422])
    expect(gateway.stderr()).not.toContain('canonical forms')
    expect(lives).toBeGreaterThan(control.lives * 4)
  })
})

test('zip bombs, more of them than may wait, hold up nobody else', async () => {
  const item = '{"b":0,"a":1e20},'
  const bomb = gzipSync(gzipSync(`[${item.repeat(1_900_000)}0]`))
  const bombHeaders = (key: string) => ({ ...headers, 'Idempotency-Key': key, 'Content-Encoding': 'gzip, gzip' })
  const leave = new AbortController()
  setMaxListeners(0, leave.signal)
  const refused: Answer[] = []
  const sent = Array.from({ length: 1_020 }, (_, number) =>
    ask(`${gateway.url}/effects/charge`, {
      headers: bombHeaders(`bomb-${number}`),
      body: bomb,
      signal: leave.signal,
    }).then(
      answer => refused.push(answer),
      () => {},
    ),
  )
  await eventually(() => refused.length).toBeGreaterThanOrEqual(10)
  for (const answer of refused) {
    expect(problemOf(answer)).toEqual({ status: 503, code: 'OVERLOADED', shouldRetry: 'true' })
  }
  expect(outcomeOf(await charge('beside', '{}'))).toBe('executed')
  const encoded = { headers: bombHeaders('beside-2'), body: gzipSync(gzipSync('{}')) }
  expect(outcomeOf(await ask(`${gateway.url}/effects/charge`, encoded))).toBe('executed')
  leave.abort()
  await Promise.all(sent)
  // Those who have left made room: only the one in work is still to be waited for.
  const large = `{"a":1${' '.repeat(200_000)}}`
  const last = { headers: { ...bombHeaders('last'), 'Content-Encoding': 'gzip' }, body: gzipSync(large) }
  expect(outcomeOf(await ask(`${gateway.url}/effects/charge`, last))).toBe('executed')
  expect(await sandbox.meter.runs('bomb-1')).toBe(0)
})
