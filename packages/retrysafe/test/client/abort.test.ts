import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import { gate } from '../functions/stage.ts'
import { settle } from '../support/manual-time.ts'
import { type Answerer, cut, cutAfter, openHost, reply, silence } from './host.ts'
import { hang, post, scripted, url } from './scripted.ts'

const host = await openHost()
const reason = new Error('the user pressed Escape')
const streaming = { 'content-type': 'text/event-stream', 'retrysafe-stream': 'id-1' }

const unhandled: unknown[] = []
const note = (error: unknown): number => unhandled.push(error)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await settle()
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

/** Nothing of ours is left on the caller's signal, and nothing is sent any more. */
async function leftNothing(signal: AbortSignal, requests: number): Promise<void> {
  await settle()
  expect([getEventListeners(signal, 'abort').length, host.asked.length]).toEqual([0, requests])
}

/** The answer begins, and goes on when its client has left: never. */
function begin(text: string, headers: Record<string, string>): Answerer {
  return response => {
    response.writeHead(200, headers)
    response.write(text)
  }
}

describe('a call that is aborted', () => {
  test('before it begins', async () => {
    const signal = AbortSignal.abort(reason)
    for (const options of [{}, { retries: 0 }, { key: () => 'k' }]) {
      await expect(createFetch(options)(host.url, { ...post, signal })).rejects.toBe(reason)
      await expect(createFetch(options)(new Request(host.url, { ...post, signal }))).rejects.toBe(reason)
    }
    await leftNothing(signal, 0)
  })

  test('while its body is taken in', async () => {
    const controller = new AbortController()
    let cancelled: unknown
    const pulled = gate()
    const body = new ReadableStream({
      pull: () => pulled.open(),
      cancel(why) {
        cancelled = why
      },
    })
    const call = createFetch()(host.url, { ...post, body, duplex: 'half', signal: controller.signal })
    await pulled.opened
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    expect(cancelled).toBe(reason)
    await leftNothing(controller.signal, 0)
  })

  test.each([['resolves'], ['rejects']])('while its key function runs, which then %s', async how => {
    const controller = new AbortController()
    const asked = gate()
    const named = gate<string>()
    const key = async (): Promise<string> => {
      asked.open()
      const name = await named.opened
      if (how === 'rejects') throw new Error(name)
      return name
    }
    const call = createFetch({ key })(host.url, { ...post, signal: controller.signal })
    await asked.opened
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    named.open('late')
    await leftNothing(controller.signal, 0)
  })

  test.each([
    ['of the options', {}],
    ['of the options, without retries', { retries: 0 }],
  ])('in flight, by the signal %s', async (_, options) => {
    const controller = new AbortController()
    host.script(silence)
    const call = createFetch({ baseDelayMs: 0, ...options })(host.url, { ...post, signal: controller.signal })
    await eventually(() => host.asked.length).toBe(1)
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await host.asked[0]?.left
    await leftNothing(controller.signal, 1)
  })

  test('in flight, by the signal of its Request', async () => {
    const controller = new AbortController()
    host.script(silence)
    const call = createFetch({ baseDelayMs: 0 })(new Request(host.url, { ...post, signal: controller.signal }))
    await eventually(() => host.asked.length).toBe(1)
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await host.asked[0]?.left
    await settle()
    expect(host.asked.length).toBe(1)
  })

  test('in flight, where the transport does not look at its signal', async () => {
    const controller = new AbortController()
    const late = gate<Response>()
    let cancelled = false
    const { fetch, sent } = scripted({}, [() => late.opened])
    const call = fetch(url, { ...post, signal: controller.signal })
    await settle()
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    const body = new ReadableStream({
      cancel() {
        cancelled = true
      },
    })
    late.open(new Response(body))
    await settle()
    expect([cancelled, sent.length]).toEqual([true, 1])
    await leftNothing(controller.signal, 0)
  })

  test('while it waits for a retry', async () => {
    const controller = new AbortController()
    const { fetch, time, sent, steps } = scripted({}, [new Response('', { status: 503 })])
    const call = fetch(url, { ...post, signal: controller.signal })
    const rejected = expect(call).rejects.toBe(reason)
    await time.advance(100)
    expect(steps()).toEqual([250])
    controller.abort(reason)
    await rejected
    await time.advance(60_000)
    expect([sent.length, time.waitingTimers]).toEqual([1, 0])
    await leftNothing(controller.signal, 0)
  })

  test('while a plain answer is taken in', async () => {
    const controller = new AbortController()
    host.script(begin('{"a":', { 'content-type': 'application/json' }))
    const call = createFetch({ baseDelayMs: 0 })(host.url, { ...post, signal: controller.signal })
    await eventually(() => host.asked.length).toBe(1)
    await settle()
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await host.asked[0]?.left
    await leftNothing(controller.signal, 1)
  })

  test.each([
    ['a stream', { 'content-type': 'text/event-stream' }],
    ['a stream that could be resumed', streaming],
    ['a text', { 'content-type': 'text/plain' }],
  ])('while %s is read', async (_, headers) => {
    const controller = new AbortController()
    host.script(begin('data: 1\n\n', headers))
    const answer = await createFetch({ baseDelayMs: 0 })(host.url, { ...post, signal: controller.signal })
    const reader = answer.body?.getReader()
    expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe('data: 1\n\n')
    const rest = reader?.read()
    controller.abort(reason)
    await expect(rest).rejects.toBe(reason)
    await host.asked[0]?.left
    await leftNothing(controller.signal, 1)
  })

  test('before anything of its answer is read', async () => {
    const controller = new AbortController()
    host.script(begin('data: 1\n\n', streaming))
    const answer = await createFetch({ baseDelayMs: 0 })(host.url, { ...post, signal: controller.signal })
    controller.abort(reason)
    await expect(answer.text()).rejects.toBe(reason)
    await host.asked[0]?.left
    await leftNothing(controller.signal, 1)
  })

  test('while the rest of a stream is asked for', async () => {
    const controller = new AbortController()
    host.script(cutAfter('data: 1\n\n', streaming), silence)
    const answer = await createFetch({ baseDelayMs: 0 })(host.url, { ...post, signal: controller.signal })
    const text = answer.text()
    const rejected = expect(text).rejects.toBe(reason)
    await eventually(() => host.asked.length).toBe(2)
    controller.abort(reason)
    await rejected
    await host.asked[1]?.left
    await leftNothing(controller.signal, 2)
  })

  test('while the rest of a stream is read', async () => {
    const controller = new AbortController()
    host.script(cutAfter('data: 1\n\n', streaming), begin('data: 2\n\n', streaming))
    const answer = await createFetch({ baseDelayMs: 0 })(host.url, { ...post, signal: controller.signal })
    const reader = answer.body?.getReader()
    const read = async (): Promise<string> => String(Buffer.from((await reader?.read())?.value ?? []))
    expect([await read(), await read()]).toEqual(['data: 1\n\n', 'data: 2\n\n'])
    const rest = reader?.read()
    controller.abort(reason)
    await expect(rest).rejects.toBe(reason)
    await host.asked[1]?.left
    await leftNothing(controller.signal, 2)
  })

  test('while a resume waits for its turn', async () => {
    const controller = new AbortController()
    const cutStream = async (): Promise<Response> => {
      const body = new ReadableStream({ pull: source => source.error(new TypeError('cut')) })
      return new Response(body, { headers: streaming })
    }
    const { fetch, time, sent } = scripted({}, [cutStream, new Response('', { status: 503 })])
    const text = (await fetch(url, { ...post, signal: controller.signal })).text()
    const rejected = expect(text).rejects.toBe(reason)
    await time.advance(100)
    expect(sent.length).toBe(2)
    controller.abort(reason)
    await rejected
    await time.advance(60_000)
    expect([sent.length, time.waitingTimers]).toEqual([2, 0])
    await leftNothing(controller.signal, 0)
  })
})

describe('a call that is not aborted leaves nothing on the signal', () => {
  test.each<[string, Answerer[], FetchOptions]>([
    ['answered at once', [reply('whole')], {}],
    ['answered in JSON', [reply('{"a":1}', { 'content-type': 'application/json' })], {}],
    ['without a body', [response => void response.writeHead(204).end()], {}],
    ['answered after two failures', [reply('', {}, 503), cut, reply('whole')], {}],
    ['refused', [reply('no', {}, 400)], {}],
    ['given up', [reply('no', {}, 503), reply('no', {}, 503)], { retries: 1 }],
    ['resumed', [cutAfter('1', streaming), reply('2', streaming)], {}],
    ['without retries', [reply('whole')], { retries: 0 }],
  ])('%s', async (_, script, options) => {
    const { signal } = new AbortController()
    host.script(...script)
    const answer = await createFetch({ baseDelayMs: 0, ...options })(host.url, { ...post, signal })
    await answer.text()
    await leftNothing(signal, script.length)
  })

  test('failed', async () => {
    const { signal } = new AbortController()
    const fetch = createFetch({ baseDelayMs: 0, fetch: () => Promise.reject(new TypeError('fetch failed')) })
    await expect(fetch(url, { ...post, signal })).rejects.toThrow('fetch failed')
    await leftNothing(signal, 0)
  })

  test('refused before it was sent', async () => {
    const { signal } = new AbortController()
    const options: FetchOptions[] = [{ maxRequestBytes: 0 }, { key: () => 'not one' }]
    for (const option of options) await expect(createFetch(option)(host.url, { ...post, signal })).rejects.toThrow()
    await leftNothing(signal, 0)
  })

  test('whose reader has left', async () => {
    const { signal } = new AbortController()
    host.script(begin('data: 1\n\n', streaming))
    const answer = await createFetch()(host.url, { ...post, signal })
    await answer.body?.cancel(reason)
    await host.asked[0]?.left
    await leftNothing(signal, 1)
  })
})

test('a signal that fires after the end changes nothing', async () => {
  const controller = new AbortController()
  const { fetch, sent } = scripted({}, [new Response('whole')])
  const answer = await fetch(url, { ...post, signal: controller.signal })
  const text = await answer.text()
  controller.abort(reason)
  expect([text, sent[0]?.signal.aborted]).toEqual(['whole', false])
})

test('null frees a Request of its signal', async () => {
  const controller = new AbortController()
  const { fetch, sent } = scripted({ retries: 0 }, [hang])
  const outcome = fetch(new Request(url, { ...post, signal: controller.signal }), { signal: null }).catch(String)
  await settle()
  controller.abort(reason)
  await settle()
  expect(sent[0]?.signal.aborted).toBe(false)
  expect(await Promise.race([outcome, settle().then(() => 'pending')])).toBe('pending')
})
