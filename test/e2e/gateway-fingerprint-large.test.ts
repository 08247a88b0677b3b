import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

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
    const threadless = await startGateway(sandbox.url, ['--store', 'memory:'], environment)
    afterAll(threadless.stop)
    const control = await livesWhileBusy(threadless)
    expect(threadless.stderr()).toContain('the thread for canonical forms died')
    const { status, lives } = await livesWhileBusy(gateway)
    expect([control.status, status]).toEqual([422, 422])
    expect(gateway.stderr()).not.toContain('canonical forms')
    expect(lives).toBeGreaterThan(control.lives * 4)
  })
})
