import { describe, expect, test } from 'vitest'
import { ManualTime } from '../support/manual-time.ts'
import { hang, networkError, outcomeOf, post, scripted, type Transported, url } from './scripted.ts'

const busy = new Response('busy', { status: 503 })
const whole = new Response('whole')
const day = 86_400_000

describe('full jitter', () => {
  test('retries 1 to 8', async () => {
    const units = [0.999, 0, 0.25, 0.1234, 0.75, 0.5, 0.9, 0.5]
    const { fetch, time, sent, steps } = scripted({ retries: 8 }, [busy], units)
    expect(await outcomeOf(fetch(url, post), time)).toBe(503)
    expect(steps()).toEqual([499, 0, 500, 493, 6_000, 8_000, 28_800, 30_000, 'retries'])
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, 499, 499, 999, 1_492, 7_492, 15_492, 44_292, 74_292])
  })

  test('of a base and a cap of its own', async () => {
    const rules = { retries: 4, baseDelayMs: 100, maxDelayMs: 300 }
    const { fetch, time, steps } = scripted(rules, [busy], [0.99, 0.99, 0.99, 0.99])
    await outcomeOf(fetch(url, post), time)
    expect(steps()).toEqual([99, 198, 297, 297, 'retries'])
  })

  test('a wait is as long as it says', async () => {
    const { fetch, time, sent } = scripted({}, [busy, whole])
    const call = fetch(url, post)
    await time.advance(249)
    expect(sent.length).toBe(1)
    await time.advance(1)
    expect(sent.length).toBe(2)
    expect(await (await call).text()).toBe('whole')
    expect(time.waitingTimers).toBe(0)
  })

  test('the same after an error', async () => {
    const { fetch, time, steps } = scripted({ retries: 2 }, [networkError('ECONNREFUSED')], [0.5, 0.7])
    expect(await outcomeOf(fetch(url, post), time)).toBe('fetch failed')
    expect(steps()).toEqual([250, 700, 'retries'])
  })
})

/** It is 2024-01-01T00:00:00Z here; chance would give 250. */
const asked: readonly (readonly [headers: Record<string, string>, waitMs: number])[] = [
  [{ 'retry-after': '2' }, 2_000],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': '1.5' }, 1_500],
  [{ 'retry-after': ' 3 ' }, 3_000],
  [{ 'retry-after': 'Mon, 01 Jan 2024 00:00:07 GMT' }, 7_000],
  [{ 'retry-after': 'Mon, 01 Jan 2024 00:00:07 GMT', date: 'Mon, 01 Jan 2024 00:00:05 GMT' }, 2_000],
  [{ 'retry-after': 'Sun, 06 Nov 1994 08:49:37 GMT', date: 'Sun, 06 Nov 1994 08:49:30 GMT' }, 7_000],
  [{ 'retry-after': 'Mon, 01 Jan 2024 00:00:07 GMT', date: 'yesterday' }, 7_000],
  [{ 'retry-after': 'Monday, 01-Jan-24 00:00:07 GMT' }, 7_000],
  [{ 'retry-after': 'Mon Jan  1 00:00:07 2024' }, 7_000],
  [{ 'retry-after': 'Sun, 31 Dec 2023 23:59:00 GMT' }, 0],
  [{ 'retry-after-ms': '1500' }, 1_500],
  [{ 'retry-after-ms': '1500', 'retry-after': '20' }, 1_500],
  [{ 'retry-after-ms': '0', 'retry-after': '20' }, 0],
  [{ 'retry-after-ms': 'soon', 'retry-after': '2' }, 2_000],
  [{ 'retry-after-ms': '-1', 'retry-after': '2' }, 2_000],
  [{ 'retry-after': '-5' }, 250],
  [{ 'retry-after': '' }, 250],
  [{ 'retry-after': 'soon' }, 250],
  [{ 'retry-after': '1e3' }, 250],
  [{ 'retry-after': '2024-01-01T00:00:07Z' }, 250],
  [{ 'retry-after': '3600' }, 60_000],
  [{ 'retry-after-ms': '60001' }, 60_000],
  [{ 'retry-after': 'Tue, 02 Jan 2024 00:00:00 GMT' }, 60_000],
  [{ 'retry-after': '99999999999999' }, 250],
]

test.each(asked)('%j is waited for: %d ms', async (headers, waitMs) => {
  const { fetch, time, steps } = scripted({}, [new Response('', { status: 429, headers }), whole])
  expect(await outcomeOf(fetch(url, post), time)).toBe(200)
  expect(steps()).toEqual([waitMs, 'final'])
})

test('a clock that is a day wrong here changes nothing where the server tells its own', async () => {
  const headers = { 'retry-after': 'Mon, 01 Jan 2024 00:00:07 GMT', date: 'Mon, 01 Jan 2024 00:00:05 GMT' }
  const { fetch, time, steps } = scripted({}, [new Response('', { status: 503, headers }), whole])
  time.jumpWall(-day)
  await outcomeOf(fetch(url, post), time)
  expect(steps()).toEqual([2_000, 'final'])
})

test('an own cap holds for what the server asks, too', async () => {
  const answer = new Response('', { status: 503, headers: { 'retry-after': '10' } })
  const { fetch, time, steps } = scripted({ maxDelayMs: 1_000 }, [answer, whole])
  await outcomeOf(fetch(url, post), time)
  expect(steps()).toEqual([1_000, 'final'])
})

describe('the deadline', () => {
  const after = (waitMs: string): Response => new Response('', { status: 503, headers: { 'retry-after-ms': waitMs } })

  test.each([
    ['9999', [9_999, 'final']],
    ['10000', ['deadline']],
    ['20000', ['deadline']],
  ])('a wait of %s ms within 10 s', async (waitMs, expected) => {
    const { fetch, time, steps } = scripted({ deadlineMs: 10_000 }, [after(waitMs), whole])
    const call = fetch(url, post)
    await time.advance(0)
    if (expected.length === 1) expect((await call).status).toBe(503)
    else await outcomeOf(call, time)
    expect(steps()).toEqual(expected)
  })

  test('counts from the beginning of the call', async () => {
    const { fetch, time, sent, steps } = scripted({ deadlineMs: 10_000 }, [after('4000')])
    expect(await outcomeOf(fetch(url, post), time)).toBe(503)
    expect(steps()).toEqual([4_000, 4_000, 'deadline'])
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, 4_000, 8_000])
  })

  test('ends what is in flight', async () => {
    const { fetch, time, sent, steps } = scripted({ deadlineMs: 10_000 }, [after('4000'), hang])
    const call = fetch(url, post)
    await time.advance(9_999)
    expect(sent[1]?.signal.aborted).toBe(false)
    expect(await outcomeOf(call, time, 1)).toBe('timed out after 6000 ms (deadlineMs 10000)')
    expect(sent[1]?.signal.aborted).toBe(true)
    await expect(call).rejects.toMatchObject({ name: 'RetrysafeError', code: 'UPSTREAM_TIMEOUT' })
    expect(steps()).toEqual([4_000, 'deadline'])
    expect(time.waitingTimers).toBe(0)
  })

  test('does not cut the body of an answer', async () => {
    let source: ReadableStreamDefaultController<Uint8Array> | undefined
    const slow = new ReadableStream<Uint8Array>({
      start(controller) {
        source = controller
      },
    })
    const { fetch, time } = scripted({ deadlineMs: 1_000 }, [async () => new Response(slow)])
    const answer = await fetch(url, post)
    const text = answer.text()
    await time.advance(60_000)
    source?.enqueue(new TextEncoder().encode('late'))
    source?.close()
    expect(await text).toBe('late')
  })
})

describe('the time to the head', () => {
  test('ends an attempt, which is retried', async () => {
    const { fetch, time, sent, events, steps } = scripted({ headTimeoutMs: 1_000 }, [hang, whole])
    expect(await outcomeOf(fetch(url, post), time)).toBe(200)
    expect(steps()).toEqual([250, 'final'])
    expect(sent.map(({ atMs, signal }) => [atMs, signal.aborted])).toEqual([
      [0, true],
      [1_250, false],
    ])
    expect(events[0]).toMatchObject({
      ambiguous: true,
      outcome: { kind: 'failed', sent: true, error: { message: 'timed out after 1000 ms (headTimeoutMs)' } },
    })
  })

  test('also of a transport that does not look at its signal', async () => {
    const deaf = (): Promise<Response> => new Promise(() => {})
    const { fetch, time } = scripted({ headTimeoutMs: 1_000, retries: 0 }, [deaf])
    expect(await outcomeOf(fetch(url, post), time)).toBe('timed out after 1000 ms (headTimeoutMs)')
  })

  test('is over with the head', async () => {
    const late = (): Promise<Response> =>
      new Promise(resolve => time.process().surroundings.timers.after(999, () => resolve(whole)))
    const time = new ManualTime()
    const { fetch, steps } = scripted({ headTimeoutMs: 1_000 }, [late], [], time)
    expect(await outcomeOf(fetch(url, post), time)).toBe(200)
    expect(steps()).toEqual(['final'])
  })
})

describe('silence', () => {
  /** A piece, and then nothing until it is cancelled. */
  function begun(text: string, type: string): Transported {
    return async () => {
      const body = new ReadableStream<Uint8Array>({
        start: controller => controller.enqueue(new TextEncoder().encode(text)),
      })
      return new Response(body, { headers: { 'content-type': type } })
    }
  }

  test('breaks a stream that is being read', async () => {
    const { fetch, time, sent } = scripted({ silenceTimeoutMs: 1_000 }, [begun('data: 1\n\n', 'text/event-stream')])
    const reader = (await fetch(url, post)).body?.getReader()
    // Who does not read is not waiting.
    await time.advance(10_000)
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1\n\n')
    await time.advance(10_000)
    const rest = reader?.read().then(
      () => 'more',
      (error: Error) => error.message,
    )
    await time.advance(999)
    expect(sent[0]?.signal.aborted).toBe(false)
    await time.advance(1)
    expect(await rest).toBe('timed out after 1000 ms (silenceTimeoutMs)')
    expect([sent[0]?.signal.aborted, sent.length, time.waitingTimers]).toEqual([true, 1, 0])
  })

  test('within a plain answer ends its attempt', async () => {
    const script = [begun('{"a":', 'application/json'), Response.json({ a: 1 })]
    const { fetch, time, steps } = scripted({ silenceTimeoutMs: 1_000 }, script)
    const call = fetch(url, post)
    await time.advance(10_000)
    expect(await (await call).json()).toEqual({ a: 1 })
    expect(steps()).toEqual([250, 'final'])
  })
})

test('without retries there is one attempt', async () => {
  for (const answer of [busy, networkError('ECONNREFUSED')]) {
    const { fetch, time, steps } = scripted({ retries: 0 }, [answer])
    expect(await outcomeOf(fetch(url, post), time)).toBe(answer === busy ? 503 : 'fetch failed')
    expect(steps()).toEqual(['retries'])
  }
})
