import type { IncomingMessage } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { followArrivals } from '../support/arrivals.ts'
import { eventually } from '../support/eventually.ts'
import { ask, open, problemOf } from '../support/exchange.ts'
import { openRaw, rawPost } from '../support/raw-client.ts'
import { listRecords } from '../support/records.ts'
import { chunk, completion, leaving, openAttempts, path } from '../support/sdk-attempts.ts'

const { upstream, gateway, held, attempt, leftAttempt, countRecords, say } = await openAttempts(
  '--max-request',
  '100kb',
)

describe('a retry gets the answer that its predecessor left', () => {
  test('joined while it runs, with the key that was drawn for it', async () => {
    await leftAttempt('joined')
    const headers = {
      Authorization: 'Bearer sk-test',
      'Content-Type': 'application/json',
      'X-Stainless-Retry-Count': '1',
    }
    const asked = open(`${gateway.url}${path}`, { headers, body: '{"text":"joined"}' })
    held[0]?.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(chunk('one '))
    const stream = await asked
    expect(stream.headers).toMatchObject({ 'retrysafe-outcome': 'joined', 'idempotent-replayed': 'true' })
    expect(stream.headers['retrysafe-key']).toMatch(/^sdk-[\w-]{22}$/)
    const whole = followArrivals(stream).until('[DONE]')
    held[0]?.end(`${chunk('run', 'stop')}data: [DONE]\n\n`)
    await whole
    expect(held).toHaveLength(1)
  })

  test('replayed when it is over, also by a client that says nothing of its first attempt', async () => {
    const first = attempt('replayed', undefined)
    await eventually(() => held.length).toBe(1)
    await first.leave()
    await eventually(async () => (await listRecords(gateway.admin, '?state=running')).length).toBe(1)
    say(0, 'one run')
    await eventually(async () => (await listRecords(gateway.admin, '?state=running')).length).toBe(0)
    const { headers, text } = await attempt('replayed', 1).answer
    expect(text).toBe(completion('one run'))
    expect(headers).toMatchObject({ 'retrysafe-outcome': 'replayed', 'idempotent-replayed': 'true' })
    expect(held).toHaveLength(1)
  })

  test.each(['identity', 'gzip'])(
    'byte for byte, when its predecessor left in the middle of a body (%s)',
    async coding => {
      const before = await countRecords()
      const text = completion(`half ${coding}`)
      const body = coding === 'gzip' ? gzipSync(text) : Buffer.from(text)
      const { signal, abort } = leaving()
      const headers = { 'Content-Type': 'application/json', 'X-Stainless-Retry-Count': '0', 'Accept-Encoding': coding }
      const asked = open(`${gateway.url}${path}`, { headers, body: `{"half":"${coding}"}`, signal })
      await eventually(() => held.length).toBe(1)
      held[0]?.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': body.byteLength,
        ...(coding === 'gzip' && { 'Content-Encoding': coding }),
      })
      held[0]?.write(body.subarray(0, 30))
      const answer = await asked
      await new Promise(resolve => answer.once('data', resolve))
      answer.on('error', () => {})
      abort()
      await eventually(countRecords).toBe(before + 1)
      const retry = ask(`${gateway.url}${path}`, {
        headers: { ...headers, 'X-Stainless-Retry-Count': '1' },
        body: `{"half":"${coding}"}`,
      })
      held[0]?.end(body.subarray(30))
      expect((await retry).text).toBe(text)
      expect((await retry).headers['retrysafe-outcome']).toMatch(/^(joined|replayed)$/)
      expect(held).toHaveLength(1)
    },
  )

  test('when it arrives before the disconnect', async () => {
    let times = 0
    // It waits for a quarter of a second: on a busy machine the disconnect may come too late for that.
    await eventually(async () => {
      held.length = 0
      const text = `overtaken ${times++}`
      const first = attempt(text, 0)
      await eventually(() => held.length).toBe(1)
      const retry = attempt(text, 1)
      let said: string | undefined
      void retry.answer.then(answer => {
        said = answer.text
      })
      // The retry has looked for an offer, and found none, once a later request has been answered.
      expect((await ask(`${gateway.url}/_retrysafe/livez`, { method: 'GET' })).status).toBe(200)
      await first.leave()
      say(0, 'one run')
      await eventually(() => said !== undefined || held.length > 1).toBe(true)
      if (said === undefined) say(1, 'its own')
      return (await retry.answer).text
    }).toBe(completion('one run'))
    expect(held).toHaveLength(1)
  })

  test('when nobody ever hears that its predecessor left: its own time-out, and a second, tell', async () => {
    const body = '{"text":"half open"}'
    const stainless = {
      Authorization: 'Bearer sk-test',
      'Content-Type': 'application/json',
      'X-Stainless-Timeout': '1',
    }
    const silent = await openRaw(gateway.url)
    silent.socket.write(rawPost(path, { ...stainless, 'X-Stainless-Retry-Count': '0' }, body))
    await eventually(() => held.length).toBe(1)
    const startedMs = performance.now()
    await eventually(() => performance.now() - startedMs).toBeGreaterThan(1_300)
    const retry = ask(`${gateway.url}${path}`, { headers: { ...stainless, 'X-Stainless-Retry-Count': '1' }, body })
    // Its predecessor's connection is closed, so that nobody gets the answer twice.
    await silent.ended
    say(0, 'one run')
    expect((await retry).text).toBe(completion('one run'))
    expect(silent.text()).toBe('')
    expect(held).toHaveLength(1)
  })

  test('with its second retry, when the first was told to come again', async () => {
    await leftAttempt('refused')
    const hurried = await attempt('refused', 1, { 'Retrysafe-Wait': '0' }).answer
    expect(problemOf(hurried)).toEqual({ status: 409, code: 'IN_FLIGHT', shouldRetry: 'true' })
    const retry = attempt('refused', 2)
    say(0, 'one run')
    expect((await retry.answer).text).toBe(completion('one run'))
    expect((await retry.answer).headers['retrysafe-key']).toBe(hurried.headers['retrysafe-key'])
    expect(held).toHaveLength(1)
  })

  test('once: of two retries the other one runs anew; both leave, and both come again', async () => {
    await leftAttempt('twice')
    const before = await countRecords()
    const retries = [attempt('twice', 1), attempt('twice', 1)]
    await eventually(() => held.length).toBe(2)
    await Promise.all(retries.map(retry => retry.leave()))
    await eventually(countRecords).toBe(before + 1)
    const last = [attempt('twice', 2), attempt('twice', 2)]
    say(0, 'first')
    say(1, 'second')
    const texts = (await Promise.all(last.map(retry => retry.answer))).map(answer => answer.text)
    expect(texts.sort()).toEqual([completion('first'), completion('second')])
    expect(held).toHaveLength(2)
  })

  test('and runs anew when that failed meanwhile', async () => {
    await leftAttempt('failed')
    held[0]?.writeHead(400, { 'Content-Type': 'application/json' }).end('{}')
    await eventually(async () => (await listRecords(gateway.admin, '?state=running')).length).toBe(0)
    const retry = attempt('failed', 1)
    await eventually(() => held.length).toBe(2)
    say(1, 'second run')
    expect((await retry.answer).text).toBe(completion('second run'))
    expect((await retry.answer).headers['retrysafe-key']).toBeUndefined()
  })
})

describe('nobody else gets it', () => {
  const others: readonly (readonly [string, string, number | undefined, Record<string, string>])[] = [
    ['another tenant', 'left', 1, { Authorization: 'Bearer sk-other' }],
    ['another payload', 'right', 1, {}],
    ['another version', 'left', 1, { 'OpenAI-Beta': 'assistants=v2' }],
    ['a first attempt', 'left', 0, {}],
    ['a call of no SDK', 'left', undefined, {}],
    ['a later retry', 'left', 2, {}],
  ]

  test.each(others)('%s runs anew', async (name, text, count, more) => {
    await leftAttempt(`${name} left`)
    const other = attempt(`${name} ${text}`, count, more)
    await eventually(() => held.length).toBe(2)
    say(1, 'its own')
    const { headers, text: said } = await other.answer
    expect(said).toBe(completion('its own'))
    expect(Object.keys(headers).filter(header => /^(retrysafe-|idempotent-|age$)/.test(header))).toEqual([])
    // It is still there for whose it is.
    say(0, 'theirs')
    expect((await attempt(`${name} left`, 1).answer).text).toBe(completion('theirs'))
  })

  test('a retry of what was answered runs anew, and nothing is kept', async () => {
    const before = await countRecords()
    const first = attempt('failing', 0)
    await eventually(() => held.length).toBe(1)
    held[0]?.writeHead(500).end('{}')
    expect((await first.answer).status).toBe(500)
    const retry = attempt('failing', 1)
    await eventually(() => held.length).toBe(2)
    say(1, 'second run')
    expect((await retry.answer).text).toBe(completion('second run'))
    expect(await countRecords()).toBe(before)
  })
})

test.each(['many', '-1', '1.5', '101', '', ['1', '1']])('a retry count of %j counts for nothing', async count => {
  const headers = { 'Content-Type': 'application/json', 'X-Stainless-Retry-Count': count }
  const { signal, abort } = leaving()
  const body = JSON.stringify({ strange: count })
  const left = ask(`${gateway.url}${path}`, { headers, body, signal })
  await eventually(() => held.length).toBe(1)
  const closed = new Promise(resolve => held[0]?.once('close', resolve))
  abort()
  await expect(left).rejects.toThrow()
  await closed
  expect(gateway.stderr().split('X-Stainless-Retry-Count')).toHaveLength(2)
})

test('a body over --max-request passes through', async () => {
  const received: number[] = []
  upstream.answerWith((response, request: IncomingMessage) => {
    received.push(Number(request.headers['content-length']))
    response.end('{}')
  })
  const answer = attempt('x'.repeat(150_000), 0).answer
  expect((await answer).status).toBe(200)
  expect(received).toEqual([150_011])
})
