import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { makeStoreFolder, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end('{}'))
afterAll(() => upstream.stop())
beforeEach(() => upstream.answerWith(response => response.end('{}')))
const folder = makeStoreFolder()
const config = join(folder, 'retrysafe.config.json')
writeFileSync(
  config,
  JSON.stringify({
    routes: [
      { match: '/brief', retention: '1s' },
      { match: '/dear', onDisconnect: 'cancel' },
    ],
  }),
)
const [strict, open] = await Promise.all([
  startGateway(upstream.url, ['--config', config]),
  startGateway(upstream.url, ['--allow-client-header', 'retrysafe-bypass Retrysafe-Key-Reuse']),
])
afterAll(() => Promise.all([strict.stop(), open.stop()]))

interface Asked {
  readonly key: string
  readonly path?: string
  readonly body?: string
}

function send(
  url: string,
  { key, path = '/thing', body = '{}' }: Asked,
  more: Record<string, string>,
): Promise<Answer> {
  const headers = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'Idempotency-Key': key,
    ...more,
  }
  return ask(url + path, { headers, body })
}

async function outcomeOf(url: string, asked: Asked, more: Record<string, string> = {}): Promise<unknown> {
  const answer = await send(url, asked, more)
  return answer.status < 400 ? answer.headers['retrysafe-outcome'] : problemOf(answer).code
}

describe('Retrysafe-Retention', () => {
  test('a shorter one counts, and one that is longer than the route’s does not', async () => {
    const shorter = { key: 'shorter' }
    const longer = { key: 'longer', path: '/brief' }
    expect(await outcomeOf(strict.url, shorter, { 'Retrysafe-Retention': '1s' })).toBe('executed')
    expect(await outcomeOf(strict.url, longer, { 'Retrysafe-Retention': '30d' })).toBe('executed')
    await eventually(() => outcomeOf(strict.url, shorter, { 'Retrysafe-Retention': '1s' })).toBe('executed')
    await eventually(() => outcomeOf(strict.url, longer, { 'Retrysafe-Retention': '30d' })).toBe('executed')
  })

  test('twice, or no duration: 400 that says what it takes, and nothing is sent', async () => {
    const before = upstream.received.length
    const answer = await send(strict.url, { key: 'wrong' }, { 'Retrysafe-Retention': '1s, 2s' })
    expect(problemOf(answer)).toEqual({ status: 400, code: 'REQUEST_INVALID', shouldRetry: 'false' })
    expect(jsonOf(answer)).toMatchObject({
      detail: expect.stringContaining('Retrysafe-Retention: it takes whole seconds'),
    })
    expect(answer.headers['retrysafe-key']).toBe('wrong')
    expect(upstream.received.length).toBe(before)
  })
})

describe('Retrysafe-On-Disconnect', () => {
  test.each<[string, string, Record<string, string>, boolean]>([
    ['cancel', '/thing', { 'Retrysafe-On-Disconnect': 'cancel' }, true],
    ['none, where the route says cancel', '/dear', {}, true],
    ['finish, where the route says cancel', '/dear', { 'Retrysafe-On-Disconnect': 'finish' }, false],
  ])('%s', async (name, path, more, isCut) => {
    let cut = false
    let finish = (): void => {}
    upstream.answerWith(response => {
      response.on('close', () => {
        cut ||= !response.writableFinished
      })
      finish = () => void response.end('{}')
    })
    const leaving = new AbortController()
    const headers = {
      Authorization: 'Bearer sk-test',
      'Idempotency-Key': `left ${name}`.replaceAll(/[ ,]+/g, '-'),
      ...more,
    }
    const asking = ask(strict.url + path, { headers, body: '{}', signal: leaving.signal }).catch(() => 'left')
    await eventually(() => upstream.received).toHaveLength(1)
    leaving.abort()
    expect(await asking).toBe('left')
    if (isCut) return eventually(() => cut).toBe(true)
    // Whoever comes for it joins the run: it goes on.
    const back = ask(strict.url + path, { headers, body: '{}' })
    finish()
    expect((await back).text).toBe('{}')
    expect([cut, upstream.received.length]).toEqual([false, 1])
  })

  test('what it does not take is refused', async () => {
    for (const wrong of ['auto', 'grace:2d', 'never']) {
      expect(await outcomeOf(strict.url, { key: 'wrong' }, { 'Retrysafe-On-Disconnect': wrong })).toBe(
        'REQUEST_INVALID',
      )
    }
  })
})

describe('--allow-client-header', () => {
  const fork = { 'Retrysafe-Key-Reuse': 'fork' }
  const bypass = { 'Retrysafe-Bypass': 'true' }

  test('Retrysafe-Key-Reuse forks one call, where it is allowed, and is as if not sent where not', async () => {
    for (const { url } of [open, strict]) await send(url, { key: 'loop', body: '{"step":1}' }, fork)
    expect(await outcomeOf(open.url, { key: 'loop', body: '{"step":2}' }, fork)).toBe('executed')
    expect(await outcomeOf(open.url, { key: 'loop', body: '{"step":2}' }, fork)).toBe('replayed')
    expect(await outcomeOf(strict.url, { key: 'loop', body: '{"step":2}' }, fork)).toBe('KEY_REUSED')
  })

  test('Retrysafe-Bypass takes a call past its key, where it is allowed', async () => {
    for (const { url } of [open, strict]) await send(url, { key: 'past' }, {})
    expect(await outcomeOf(open.url, { key: 'past' }, bypass)).toBe('bypassed')
    expect(await outcomeOf(open.url, { key: 'past' }, { 'Retrysafe-Bypass': 'false' })).toBe('replayed')
    expect(await outcomeOf(strict.url, { key: 'past' }, bypass)).toBe('replayed')
  })

  test('what cannot be read is refused, where it counts', async () => {
    for (const wrong of [{ 'Retrysafe-Bypass': 'yes' }, { 'Retrysafe-Key-Reuse': 'both' }]) {
      expect(await outcomeOf(open.url, { key: 'unread' }, wrong)).toBe('REQUEST_INVALID')
    }
    expect(await outcomeOf(strict.url, { key: 'unread' }, { 'Retrysafe-Bypass': 'yes' })).toBe('executed')
  })

  test('none of them goes upstream', async () => {
    const all = { ...fork, ...bypass, 'Retrysafe-Retention': '1h', 'Retrysafe-On-Disconnect': 'finish' }
    for (const { url } of [open, strict]) expect((await send(url, { key: 'clean' }, all)).status).toBe(200)
    expect(upstream.received).toHaveLength(2)
    for (const { rawHeaders } of upstream.received) {
      expect(rawHeaders.filter(name => /^retrysafe-/i.test(name))).toEqual([])
    }
  })
})
