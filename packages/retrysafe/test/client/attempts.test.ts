import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { createFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { sdkOptions } from '../../src/client/sdk.ts'
import { openHost, reply } from './host.ts'
import { hang, networkError, post, scripted, url } from './scripted.ts'

const host = await openHost()

describe('statuses', () => {
  const final = [200, 201, 202, 203, 205, 206, 304, 400, 401, 402, 403, 404, 405, 406, 410, 412, 413, 414, 415, 416]
  const alsoFinal = [417, 418, 421, 422, 423, 424, 426, 428, 431, 451]
  const retried = [408, 409, 425, 429, 500, 501, 502, 503, 504, 505, 507, 508, 520, 521, 524, 529, 599]
  const neverRetried = new Set([400, 401, 403, 404, 413, 422, 424])

  const rows = (statuses: readonly number[], isRetried: boolean): [number, boolean][] =>
    statuses.map(status => [status, isRetried])

  test.each([...rows([...final, ...alsoFinal], false), ...rows(retried, true)])(
    '%d: retried is %s; x-should-retry turns that, but for what is never retried',
    async (status, isRetried) => {
      const attemptsOf = async (shouldRetry?: string): Promise<number> => {
        const headers = shouldRetry === undefined ? {} : { 'x-should-retry': shouldRetry }
        const body = [205, 304].includes(status) ? null : 'x'
        const { fetch, time, sent } = scripted({ retries: 1 }, [new Response(body, { status, headers })])
        const call = fetch(url, post)
        await time.advance(60_000)
        expect((await call).status).toBe(status)
        return sent.length
      }
      const mayBe = status >= 400 && !neverRetried.has(status)
      expect([
        await attemptsOf(),
        await attemptsOf('true'),
        await attemptsOf('false'),
        await attemptsOf('maybe'),
      ]).toEqual([isRetried ? 2 : 1, mayBe ? 2 : 1, 1, isRetried ? 2 : 1])
    },
  )
})

describe('a call that may have run', () => {
  const reset = networkError('ECONNRESET')
  const answers = (headers: Record<string, string>): Response => new Response('ok', { headers })

  /** How it goes on after each failure, of calls that are made one after the other. */
  async function go(
    options: FetchOptions,
    script: Parameters<typeof scripted>[1],
    calls = 1,
    init: RequestInit = post,
  ): Promise<unknown> {
    const client = scripted(options, script)
    for (let call = 0; call < calls; call++) {
      const made = client.fetch(url, init).catch(() => {})
      await client.time.advance(600_000)
      await made
    }
    return [
      ...client.events.map(
        ({ next, ambiguous }) => `${ambiguous ? '? ' : ''}${next.kind === 'retry' ? 'retry' : next.reason}`,
      ),
    ]
  }

  test.each([
    ['once by default', {}, [reset], ['? retry', '? ambiguous']],
    ['as often as an option says', { ambiguousRetries: 3 }, [reset], ['? retry', '? retry', '? retry', '? ambiguous']],
    ['not at all', { ambiguousRetries: 0 }, [reset], ['? ambiguous']],
    ['also where retries are fewer', { retries: 1 }, [reset], ['? retry', '? retries']],
    [
      'apart from what was not sent',
      {},
      [networkError('ECONNREFUSED'), reset, networkError('ECONNREFUSED'), reset],
      ['retry', '? retry', 'retry', '? ambiguous'],
    ],
    [
      'and from what was answered',
      {},
      [new Response('', { status: 500 }), reset, new Response('', { status: 429 }), reset],
      ['retry', '? retry', 'retry', '? ambiguous'],
    ],
    [
      'unless it says that it did not run',
      {},
      [new Response('', { status: 502, headers: { 'x-should-retry': 'true' } })],
      ['retry', 'retry', 'retry', 'retry', 'retries'],
    ],
    [
      'freely where every host honours keys',
      { honoursKeys: true },
      [reset],
      ['retry', 'retry', 'retry', 'retry', 'retries'],
    ],
    [
      'freely at a named host',
      { honoursKeys: ['https://api.example/v1'] },
      [reset],
      ['retry', 'retry', 'retry', 'retry', 'retries'],
    ],
    [
      'not at another one',
      { honoursKeys: ['https://api.example:8443', 'http://api.example'] },
      [reset],
      ['? retry', '? ambiguous'],
    ],
    ['time over is no answer', { headTimeoutMs: 1_000 }, [hang], ['? retry', '? ambiguous']],
  ] as const)('%s', async (_, options, script, expected) => {
    expect(await go(options, script)).toEqual(expected)
  })

  test.each([502, 504, 520, 524])("a proxy's %d is no answer", async status => {
    expect(await go({}, [new Response('', { status })])).toEqual(['? retry', '? ambiguous'])
  })

  test.each([500, 503, 529])('a %d is one', async status => {
    expect(await go({ retries: 2 }, [new Response('', { status })])).toEqual(['retry', 'retry', 'retries'])
  })

  test.each([
    ['executed', { 'retrysafe-outcome': 'executed' }, 'retry'],
    ['refused', { 'retrysafe-outcome': 'refused' }, 'retry'],
    ['replayed by somebody else', { 'idempotent-replayed': 'true' }, 'retry'],
    ['not replayed', { 'idempotent-replayed': 'false' }, '? retry'],
    ['nothing', {}, '? retry'],
    ['bypassed', { 'retrysafe-outcome': 'bypassed' }, '? retry'],
  ])('at a host whose answer says %s', async (_, headers, expected) => {
    expect(await go({}, [answers(headers), reset, answers({})], 2)).toEqual(['final', expected, 'final'])
  })

  test('a host that honoured keys and lets calls pass now is unknown again', async () => {
    const script = [answers({ 'retrysafe-outcome': 'executed' }), answers({ 'retrysafe-outcome': 'bypassed' }), reset]
    expect(await go({}, script, 3)).toEqual(['final', 'final', '? retry', '? ambiguous'])
  })

  test('what one path says, another one does not', async () => {
    const client = scripted({}, [answers({ 'retrysafe-outcome': 'executed' }), reset, reset])
    await client.fetch(`${url}/safe`, post)
    const call = client.fetch(`${url}/mail`, post).catch(() => {})
    await client.time.advance(60_000)
    await call
    expect(client.steps()).toEqual(['final', 250, 'ambiguous'])
  })

  test('what a host says of a call without a key says nothing of keys', async () => {
    const client = scripted({}, [answers({ 'retrysafe-outcome': 'executed' }), reset])
    await client.fetch(url)
    const call = client.fetch(url, post).catch(() => {})
    await client.time.advance(60_000)
    await call
    expect(client.events.map(({ ambiguous }) => ambiguous)).toEqual([false, true, true])
  })

  test('without a key it is unsafe at every host', async () => {
    expect(await go({ honoursKeys: true, methods: ['PATCH'] }, [reset])).toEqual(['? retry', '? ambiguous'])
  })

  test.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])('%s is free at every host', async method => {
    const freely = ['retry', 'retry', 'retry', 'retry', 'retries']
    expect(await go({}, [reset], 1, { method })).toEqual(freely)
  })

  test.each(['POST', 'PATCH', 'REPORT'])('%s is not', async method => {
    expect(await go({}, [reset], 1, { method })).toEqual(['? retry', '? ambiguous'])
  })
})

describe('what is told', () => {
  test('events and counts, whole', async () => {
    const reset = networkError('ECONNRESET')
    const busy = new Response('', { status: 503, headers: { 'retry-after': '7' } })
    const client = scripted({}, [reset, busy, new Response('ok')])
    const call = client.fetch(`${url}?key=secret#part`, { ...post, headers: { 'Idempotency-Key': 'k' } })
    await client.time.advance(60_000)
    await call
    const common = { kind: 'call', key: 'k', method: 'POST', url }
    expect(client.events).toStrictEqual([
      {
        ...common,
        attempt: 1,
        outcome: { kind: 'failed', error: reset, sent: true },
        ambiguous: true,
        next: { kind: 'retry', delayMs: 250 },
      },
      {
        ...common,
        attempt: 2,
        outcome: { kind: 'answered', status: 503 },
        ambiguous: false,
        next: { kind: 'retry', delayMs: 7_000 },
      },
      {
        ...common,
        attempt: 3,
        outcome: { kind: 'answered', status: 200 },
        ambiguous: false,
        next: { kind: 'done', reason: 'final' },
      },
    ])
    expect(client.fetch.counts()).toStrictEqual({ calls: 1, attempts: 3, ambiguous: 1, resumes: 0 })
    await client.fetch(url)
    expect(client.events[3]).toStrictEqual({
      ...common,
      key: undefined,
      method: 'GET',
      attempt: 1,
      outcome: { kind: 'answered', status: 200 },
      ambiguous: false,
      next: { kind: 'done', reason: 'final' },
    })
    expect(client.fetch.counts()).toStrictEqual({ calls: 2, attempts: 4, ambiguous: 1, resumes: 0 })
  })

  test('who hears of it changes nothing', async () => {
    const throws = (): never => {
      throw new Error('the hook')
    }
    host.script(reply('', {}, 503), reply('whole'))
    const fetch = createFetch({ baseDelayMs: 0, onAttempt: throws, onWarning: throws })
    const answer = await fetch(host.url, { ...post, headers: { 'X-Stainless-Retry-Count': '1' } })
    expect([await answer.text(), host.asked.length]).toEqual(['whole', 2])
  })

  test('two layers that retry, once', async () => {
    const told: string[] = []
    const { fetch } = scripted({ onWarning: message => told.push(message) }, [new Response('ok')])
    const counted = (count: string): Promise<Response> =>
      fetch(url, { ...post, headers: { 'X-Stainless-Retry-Count': count } })
    await counted('0')
    await counted('no number')
    await fetch(url, post)
    expect(told).toEqual([])
    await counted('1')
    await counted('2')
    expect(told).toEqual([
      'the SDK above createFetch() retries too, each time with a new key: give it maxRetries: 0 (sdkOptions does)',
    ])
  })

  test('without a listener the process is warned', async () => {
    const warned = once(process, 'warning')
    const { fetch } = scripted({}, [new Response('ok')])
    await fetch(url, { ...post, headers: { 'X-Stainless-Retry-Count': '1' } })
    const [warning] = await warned
    expect(warning).toMatchObject({ name: 'RetrysafeWarning', message: /^the SDK above createFetch\(\) retries too/ })
  })

  test('sdkOptions() turns the retries above off', async () => {
    const { fetch, maxRetries, ...rest } = sdkOptions({ retries: 1, baseDelayMs: 0 })
    expect([maxRetries, rest]).toEqual([0, {}])
    host.script(reply('', {}, 503), reply('whole'))
    expect(await (await fetch(host.url, post)).text()).toBe('whole')
    expect(fetch.counts().attempts).toBe(2)
  })
})
