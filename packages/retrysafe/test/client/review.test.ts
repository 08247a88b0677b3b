import { createHash } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRetryBudget } from '../../src/client/budget.ts'
import { createFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { callContext } from '../../src/engine/context.ts'
import { createRetrysafe } from '../../src/retrysafe.ts'
import { cut, cutAfter, openHost, reply } from './host.ts'
import { hang, networkError, post, scripted, url } from './scripted.ts'

const [host, other] = [await openHost(), await openHost()]
const quick: FetchOptions = { baseDelayMs: 0, budget: false }
const streamed = { 'content-type': 'text/event-stream', 'retrysafe-stream': 'id-1' }

describe('a listener that fails later', () => {
  const late = (): Promise<never> => Promise.reject(new Error('late'))

  test.each([{ onAttempt: late }, { onWarning: late }])('changes nothing: %o', async options => {
    const { rejections, settle } = watchRejections()
    const { fetch } = scripted(options, [new Response('ok')])
    const answer = await fetch(url, { headers: { 'x-stainless-retry-count': '1' } })
    expect(await answer.text()).toBe('ok')
    await settle()
    expect(rejections).toEqual([])
  })
})

test('an answer that comes after its caller has left may be anything', async () => {
  const { rejections, settle } = watchRejections()
  const leaving = new AbortController()
  let answer: (garbage: unknown) => void = () => {}
  const answering = new Promise<unknown>(resolve => {
    answer = resolve
  })
  const { fetch } = scripted({}, [() => answering as Promise<Response>])
  const call = fetch(url, { ...post, signal: leaving.signal })
  await settle()
  leaving.abort()
  await expect(call).rejects.toThrow('aborted')
  answer(undefined)
  await settle()
  expect(rejections).toEqual([])
})

describe('options', () => {
  const given = { method: 'POST', body: 'hello', headers: { 'x-a': '1' } }

  test.each([
    ['a Request', new Request('http://elsewhere.example/', given)],
    ['what inherits them', Object.create(given) as RequestInit],
    ['what has them behind a proxy', new Proxy(given, { ownKeys: () => [] })],
  ])('of %s are those of the platform', async (_, init) => {
    host.script(reply('ok'))
    await createFetch(quick)(host.url, init as RequestInit)
    const [asked] = host.asked
    expect([asked?.method, asked?.body.toString(), asked?.headers['x-a']]).toEqual(['POST', 'hello', '1'])
  })

  test('may be null, as for the platform', async () => {
    host.script(reply('ok'))
    expect((await createFetch(quick)(host.url, null as unknown as RequestInit)).status).toBe(200)
  })

  test.each(['5', true, [5]])('a budget takes numbers, not %o', capacity => {
    const options = { capacity } as unknown as { capacity: number }
    expect(() => createRetryBudget(options)).toThrow('capacity takes a number from 1 to 1000000')
  })

  test.each(['/ai/_retrysafe/streams', 'javascript:alert(1)/', 'streams'])('streamsUrl is not %s', streamsUrl => {
    expect(() => createFetch({ streamsUrl })).toThrow('streamsUrl takes a path or an http URL that ends in /')
  })
})

test('in the place of the platform it does not call itself', async () => {
  host.script(reply('ok'))
  const fetch = createFetch({ ...quick, retries: 0 })
  let depth = 0
  vi.stubGlobal('fetch', (...given: Parameters<typeof fetch>) => {
    depth += 1
    if (depth > 9) throw new Error('it calls itself')
    return fetch(...given)
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  expect(await (await globalThis.fetch(host.url, post)).text()).toBe('ok')
  expect(depth).toBe(1)
})

test('a status that no Response may be made with is handed on', async () => {
  host.script(reply('who are you', {}, 999))
  const answer = await createFetch({ ...quick, retries: 0 })(host.url)
  expect([answer.status, answer.ok, await answer.text()]).toEqual([999, false, 'who are you'])
})

describe('who honours keys', () => {
  test('is not learned from where a redirect leads', async () => {
    const fetch = createFetch({ ...quick, ambiguousRetries: 0 })
    host.script((response, asked) => void response.writeHead(307, { location: other.url + asked.target }).end(), cut)
    other.script(reply('paid', { 'retrysafe-outcome': 'executed' }))
    expect(await (await fetch(host.url, post)).text()).toBe('paid')
    await expect(fetch(host.url, post)).rejects.toThrow('fetch failed')
    expect(host.asked.length).toBe(2)
  })

  test('does not while it says that it lets calls through', async () => {
    const fetch = createFetch({ ...quick, ambiguousRetries: 0, honoursKeys: [host.url] })
    const bypassed = reply('no answer', { 'retrysafe-outcome': 'bypassed' }, 502)
    host.script(bypassed, reply('paid', { 'retrysafe-outcome': 'executed' }), cut, reply('again'))
    expect((await fetch(host.url, post)).status).toBe(502)
    expect(await (await fetch(host.url, post)).text()).toBe('paid')
    // It protects again.
    expect(await (await fetch(host.url, post)).text()).toBe('again')
    expect(host.asked.length).toBe(4)
  })
})

describe('the rest of a stream', () => {
  const begun = cutAfter('begun', streamed)

  test('is not asked for where a redirect leads', async () => {
    host.script(begun, (response, asked) => void response.writeHead(302, { location: other.url + asked.target }).end())
    other.script(reply(' and spliced', streamed))
    const answer = await createFetch(quick)(host.url, { ...post, headers: { 'x-api-key': 'secret' } })
    await expect(answer.text()).rejects.toThrow('terminated')
    expect(other.asked).toEqual([])
  })

  test('a refusal without an end is no reason to wait', async () => {
    const problem = { 'content-type': 'application/problem+json' }
    host.script(begun, response => {
      response.writeHead(404, problem)
      const more = (): void => void response.write(Buffer.alloc(65_536, ' '))
      response.on('drain', more)
      more()
    })
    await expect((await createFetch(quick)(host.url, post)).text()).rejects.toThrow('terminated')
    await host.asked[1]?.left
  })

  test('a refusal that falls silent is one after silenceTimeoutMs', async () => {
    host.script(begun, response => {
      response.writeHead(404, { 'content-type': 'application/problem+json' })
      response.write('{')
    })
    const answer = await createFetch({ ...quick, silenceTimeoutMs: 100 })(host.url, post)
    await expect(answer.text()).rejects.toThrow('terminated')
  })
})

test('what is discarded holds its connection for a second', async () => {
  const left: number[] = []
  const slow = async (): Promise<Response> => {
    const body = new ReadableStream({ cancel: () => void left.push(time.clock.monotonicMs() - beganAtMs) })
    return new Response(body, { status: 500, headers: { 'content-length': '50000', 'retry-after': '0' } })
  }
  const { fetch, time } = scripted({}, [slow, new Response('ok')])
  const beganAtMs = time.clock.monotonicMs()
  const call = fetch(url, post)
  await time.advance(5_000)
  expect(await (await call).text()).toBe('ok')
  expect(left).toEqual([1_000])
})

test('calls that share a signal share one listener', async () => {
  const leaving = new AbortController()
  const { fetch, sent, time } = scripted({}, [new Response('', { status: 500, headers: { 'retry-after': '9' } }), hang])
  const calls = Array.from({ length: 20 }, () => fetch(url, { ...post, signal: leaving.signal }))
  await time.advance(1)
  expect([sent.length, getEventListeners(leaving.signal, 'abort').length]).toEqual([20, 1])
  await time.advance(9_000)
  expect(getEventListeners(leaving.signal, 'abort').length).toBe(1)
  leaving.abort()
  const ends = await Promise.allSettled(calls)
  expect(ends.map(({ status }) => status)).toEqual(Array(20).fill('rejected'))
  expect(getEventListeners(leaving.signal, 'abort').length).toBe(0)
})

test.each([502, 504, 520, 524])('a store under fail: what a proxy answered with %s is not sent again', async status => {
  const safe = createRetrysafe({ store: 'memory:', onCrash: 'fail' })
  onTestFinished(() => safe.close())
  host.script(reply('no answer', {}, status), reply('paid a second time'))
  const fetch = createFetch({ ...quick, safe, key: () => 'k', tenant: 'single' })
  expect((await fetch(host.url, post)).status).toBe(424)
  expect((await fetch(host.url, post)).status).toBe(424)
  expect(host.asked.length).toBe(1)
})

describe('inside of a function', () => {
  test('the body counts where it is sent as it comes, too', async () => {
    const fetch = createFetch({ ...quick, retries: 0 })
    const [first, second] = await keysOfTwoRuns(async run => {
      for (const body of run === 1 ? ['a', 'b'] : ['b', 'a']) await fetch(host.url, { method: 'POST', body })
    })
    expect(second).toEqual(first)
  })

  test('calls that differ in a header alone are counted in their order, whatever their digests take', async () => {
    const digests: (() => void)[] = []
    const spy = vi.spyOn(crypto.subtle, 'digest').mockImplementation((_name, data) => {
      const { buffer } = Uint8Array.from(
        createHash('sha256')
          .update(new Uint8Array(data as ArrayBuffer))
          .digest(),
      )
      return new Promise(resolve => digests.push(() => resolve(buffer)))
    })
    onTestFinished(() => spy.mockRestore())
    const fetch = createFetch(quick)
    const [first, second] = await keysOfTwoRuns(async run => {
      const calls = ['a', 'b'].map(account => fetch(host.url, { ...post, headers: { account } }))
      await vi.waitFor(() => expect(digests.length).toBe(2))
      const [one, another] = run === 1 ? digests : digests.toReversed()
      digests.length = 0
      one?.()
      await new Promise(setImmediate)
      another?.()
      await Promise.all(calls)
    })
    expect(second).toEqual(first)
  })
})

/** The key of each body, or account, in both runs of one function. */
async function keysOfTwoRuns(make: (run: number) => Promise<void>): Promise<Record<string, unknown>[]> {
  const safe = createRetrysafe({ store: 'memory:' })
  onTestFinished(() => safe.close())
  host.script(...Array.from({ length: 4 }, () => reply('ok')))
  let run = 0
  const step = safe.idempotent(
    async (_order: string) => {
      expect(callContext()?.key).toBe('order')
      run += 1
      await make(run)
      if (run === 1) throw networkError('ECONNRESET')
    },
    { name: 'step', key: order => order },
  )
  await expect(step('order')).rejects.toThrow()
  await vi.waitFor(() => step('order'), { timeout: 4_000 })
  const keyOf = ({ body, headers }: (typeof host.asked)[number]): [string, unknown] => [
    String(headers.account ?? body),
    headers['idempotency-key'],
  ]
  return [host.asked.slice(0, 2), host.asked.slice(2)].map(asked => Object.fromEntries(asked.map(keyOf)))
}

function watchRejections(): { rejections: unknown[]; settle(): Promise<void> } {
  const rejections: unknown[] = []
  const note = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', note)
  onTestFinished(() => void process.off('unhandledRejection', note))
  // Node tells of them once all that was due has run.
  return { rejections, settle: () => new Promise(resolve => setImmediate(resolve)) }
}
