import { describe, expect, test } from 'vitest'
import { createRetryBudget } from '../../src/client/budget.ts'
import { createFetch } from '../../src/client/fetch.ts'
import type { Fetch, FetchOptions } from '../../src/client/options.ts'
import { openSafe } from '../adapters/listening.ts'
import { openHost } from './host.ts'

const host = await openHost()
const post = { method: 'POST', body: 'x' }

/** The code and the message of what was refused; nothing was sent. */
async function refusal(make: (fetch: Fetch) => Promise<Response>, options: FetchOptions = {}): Promise<string> {
  const events: unknown[] = []
  const fetch = createFetch({ onAttempt: event => events.push(event), ...options })
  const outcome = await make(fetch).then(
    ({ status }) => `it was answered: ${status}`,
    error => `${error.code} ${error.message}`,
  )
  expect([host.asked.length, events]).toEqual([0, []])
  return outcome
}

describe('URLs', () => {
  test('relative, without a base', async () => {
    expect(await refusal(fetch => fetch('/v1/models'))).toBe(
      'REQUEST_INVALID "/v1/models" is no URL; give an absolute one, or createFetch a baseUrl',
    )
    expect(await refusal(fetch => fetch(''))).toMatch(/^REQUEST_INVALID "" is no URL; /)
  })

  test('that is none, with a base', async () => {
    expect(await refusal(fetch => fetch('http://['), { baseUrl: 'https://api.example/v1/' })).toBe(
      'REQUEST_INVALID "http://[" is no URL; its base is https://api.example/v1/',
    )
  })

  test('with a password, as the platform refuses it', async () => {
    expect(await refusal(fetch => fetch('http://user:word@host.example/'))).toMatch(
      /^REQUEST_INVALID this is no request: .*credentials/,
    )
  })
})

describe('bodies', () => {
  test('of a Request that was read', async () => {
    const request = new Request(host.url, post)
    await request.text()
    expect(await refusal(fetch => fetch(request))).toBe('REQUEST_INVALID the body of this Request was read before')
  })

  test('a stream that was read', async () => {
    const body = new Blob(['read']).stream()
    const reader = body.getReader()
    await reader.read()
    reader.releaseLock()
    expect(await refusal(fetch => fetch(host.url, { ...post, body, duplex: 'half' }))).toMatch(
      /^REQUEST_INVALID this is no request: .*(disturbed|locked)/,
    )
  })

  test('a stream that somebody reads', async () => {
    const body = new Blob(['locked']).stream()
    body.getReader()
    expect(await refusal(fetch => fetch(host.url, { ...post, body, duplex: 'half' }))).toBe(
      'REQUEST_INVALID the body is a stream that somebody reads already',
    )
  })

  test('a stream that fails', async () => {
    const cause = new Error('the disk')
    const body = new ReadableStream({ pull: controller => controller.error(cause) })
    const call = createFetch()(host.url, { ...post, body, duplex: 'half' })
    await expect(call).rejects.toMatchObject({
      ...{ code: 'REQUEST_INVALID', message: 'the stream that is the body failed before it was sent', cause },
    })
    expect(host.asked.length).toBe(0)
  })

  test('a stream of something else than bytes', async () => {
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue('a text')
        controller.close()
      },
    })
    expect(await refusal(fetch => fetch(host.url, { ...post, body, duplex: 'half' }))).toMatch(/^REQUEST_INVALID /)
  })

  test.each(['GET', 'HEAD'])('of %s', async method => {
    expect(await refusal(fetch => fetch(host.url, { method, body: 'x' }))).toMatch(
      /^REQUEST_INVALID this is no request: .*body/,
    )
  })

  test('beyond the bound', async () => {
    expect(await refusal(fetch => fetch(host.url, post), { maxRequestBytes: 0 })).toBe(
      'BODY_TOO_LARGE the body has more than 0 bytes (maxRequestBytes), and is kept to be sent again: raise it, or set retries to 0',
    )
    // The key function reads it, so it is kept without retries, too.
    expect(await refusal(fetch => fetch(host.url, post), { maxRequestBytes: 0, retries: 0, key: () => 'k' })).toMatch(
      /^BODY_TOO_LARGE /,
    )
  })
})

test.each([
  ['a method', { method: 'NOT ONE' }],
  ['a method that is never sent', { method: 'CONNECT' }],
  ['a header', { headers: { 'no name': 'x' } }],
  ['a value', { headers: { name: 'a\nb' } }],
  ['a mode', { redirect: 'sometimes' as NonNullable<RequestInit['redirect']> }],
  ['a signal', { signal: 'stop' as unknown as AbortSignal }],
])('%s that is none', async (_, init) => {
  expect(await refusal(fetch => fetch(host.url, { ...post, ...init }))).toMatch(
    /^REQUEST_INVALID this is no request: .{10}/,
  )
})

describe('keys', () => {
  test.each([
    ['a b', 'Idempotency-Key: the key holds a space, a control or a non-ASCII character'],
    ['', 'Idempotency-Key: the key is empty; send 1 to 255 visible ASCII characters'],
    ['a,b', 'Idempotency-Key: a bare key may not hold , ; quote the key, or leave that character out'],
    ['"a', 'Idempotency-Key: the closing quote is missing'],
    ['k'.repeat(256), 'Idempotency-Key: the key has 256 characters > 255'],
  ])('in the header: %j', async (key, message) => {
    const call = (fetch: Fetch): Promise<Response> => fetch(host.url, { ...post, headers: { 'Idempotency-Key': key } })
    expect((await refusal(call)).toLowerCase()).toBe(`KEY_INVALID ${message}`.toLowerCase())
  })

  test('two in the header', async () => {
    const headers = new Headers({ 'Idempotency-Key': 'a' })
    headers.append('Idempotency-Key', 'b')
    expect(await refusal(fetch => fetch(host.url, { ...post, headers }))).toMatch(/^KEY_INVALID /)
  })

  test.each([
    ['a b', /: the key holds a space, a control or a non-ASCII character; contentKey\(\) makes one of any value$/],
    ['ü', /non-ASCII/],
    ['', /empty/],
    ['k'.repeat(256), /256 characters > 255/],
  ])('of the function: %j', async (key, message) => {
    const said = await refusal(fetch => fetch(host.url, post), { key: () => key })
    expect(said).toMatch(/^KEY_INVALID what the key function gave is no key: /)
    expect(said).toMatch(message)
  })

  test.each([
    ['throws', () => expectedThrow()],
    ['rejects', () => Promise.reject(new Error('the key'))],
  ])('a function that %s', async (_, key) => {
    const call = createFetch({ key })(host.url, post)
    await expect(call).rejects.toMatchObject({
      ...{ code: 'CALLBACK_FAILED', message: 'The key function failed.', cause: new Error('the key') },
    })
    expect(host.asked.length).toBe(0)
  })

  test('a function that gives no text', async () => {
    const key = (): string => 7 as unknown as string
    expect(await refusal(fetch => fetch(host.url, post), { key })).toBe(
      'CALLBACK_FAILED The key function gave no text.',
    )
  })
})

function expectedThrow(): string {
  throw new Error('the key')
}

describe('options', () => {
  const safe = (): FetchOptions => ({ safe: openSafe(), key: () => 'k' })

  test.each<[() => object, string]>([
    [() => ({ retry: 3 }), 'createFetch() does not know the option retry'],
    [() => ({ maxRetries: 3 }), 'createFetch() does not know the option maxRetries'],
    [() => ({ retries: -1 }), 'retries takes a whole number from 0 to 100, not -1'],
    [() => ({ retries: 101 }), 'retries takes a whole number from 0 to 100, not 101'],
    [() => ({ retries: 1.5 }), 'retries takes a whole number from 0 to 100, not 1.5'],
    [() => ({ retries: '3' }), 'retries takes a whole number from 0 to 100, not string'],
    [() => ({ ambiguousRetries: -1 }), 'ambiguousRetries takes a whole number from 0 to 100, not -1'],
    [() => ({ ambiguousRetries: 5 }), 'ambiguousRetries (5) is more than retries (4)'],
    [() => ({ retries: 0, ambiguousRetries: 1 }), 'ambiguousRetries (1) is more than retries (0)'],
    [
      () => ({ maxRequestBytes: 1_073_741_825 }),
      'maxRequestBytes takes a whole number from 0 to 1073741824, not 1073741825',
    ],
    [() => ({ headTimeoutMs: 0 }), 'headTimeoutMs takes a whole number from 1 to 86400000, not 0'],
    [() => ({ headTimeoutMs: 2_000, deadlineMs: 1_000 }), 'headTimeoutMs (2000) is more than deadlineMs (1000)'],
    [() => ({ silenceTimeoutMs: 0 }), 'silenceTimeoutMs takes a whole number from 1 to 86400000, not 0'],
    [() => ({ deadlineMs: Number.NaN }), 'deadlineMs takes a whole number from 1 to 86400000, not NaN'],
    [() => ({ baseDelayMs: -1 }), 'baseDelayMs takes a whole number from 0 to 3600000, not -1'],
    [() => ({ maxDelayMs: 3_600_001 }), 'maxDelayMs takes a whole number from 0 to 3600000, not 3600001'],
    [() => ({ baseDelayMs: 2_000, maxDelayMs: 1_000 }), 'baseDelayMs (2000) is more than maxDelayMs (1000)'],
    [() => ({ key: 'k' }), 'key takes a function'],
    [() => ({ onAttempt: true }), 'onAttempt takes a function'],
    [() => ({ onWarning: 'console' }), 'onWarning takes a function'],
    [() => ({ fetch: {} }), 'fetch takes a function'],
    [() => ({ keyHeader: 'two words' }), 'keyHeader takes names as HTTP has them'],
    [() => ({ keyHeader: '' }), 'keyHeader takes names as HTTP has them'],
    [() => ({ methods: 'POST' }), 'methods takes names as HTTP has them'],
    [() => ({ methods: ['POST', ''] }), 'methods takes names as HTTP has them'],
    [
      () => ({ honoursKeys: ['gateway.example'] }),
      'honoursKeys takes absolute http or https URLs, not "gateway.example"',
    ],
    [
      () => ({ honoursKeys: ['ftp://a.example'] }),
      'honoursKeys takes absolute http or https URLs, not "ftp://a.example"',
    ],
    [() => ({ baseUrl: '/v1' }), 'baseUrl takes absolute http or https URLs, not "/v1"'],
    [() => ({ tenant: 'single' }), 'tenant says something only with safe, a store to keep outcomes in'],
    [() => ({ name: 'n' }), 'name says something only with safe, a store to keep outcomes in'],
    [() => ({ onCrash: 'fail' }), 'onCrash says something only with safe, a store to keep outcomes in'],
    [() => ({ safe: {}, key: () => 'k' }), 'createFetch({ safe }): safe takes what createRetrysafe() gave'],
    [
      () => ({ safe: openSafe() }),
      'with safe, key is required: a function that gives the same key when the call is made again',
    ],
    [() => ({ ...safe(), tenant: 'credential' }), "tenant takes a function of the request, or 'single'"],
    [
      () => ({ ...safe(), onCrash: 'fail', ambiguousRetries: 1 }),
      "ambiguousRetries takes 0 where onCrash is 'fail': what may have run is not sent again",
    ],
    [() => ({ ...safe(), name: '' }), 'name takes 1 to 100 characters'],
    [() => ({ ...safe(), name: 'n'.repeat(101) }), 'name takes 1 to 100 characters'],
    [() => ({ ...safe(), waitMs: -1 }), 'waitMs takes a whole number from 0 to 3600000, not -1'],
    [
      () => ({ ...safe(), onDisconnect: 'auto' }),
      "onDisconnect takes 'finish', 'cancel' or a time such as 'grace:30s', at most 24h, not \"auto\"",
    ],
    [() => ({ ...safe(), onCrash: 'ask' }), "onCrash takes 'rerun' or 'fail', not \"ask\""],
    [() => ({ ...safe(), retentionMs: 1 }), 'retentionMs takes a whole number from 1000 to 2592000000, not 1'],
  ])('%s', (options, message) => {
    expect(() => createFetch(options())).toThrow(
      expect.objectContaining({ name: 'RetrysafeError', code: 'CONFIG_INVALID', message }),
    )
  })

  test('that a default would contradict give way by themselves', () => {
    expect(() => createFetch({ retries: 0 })).not.toThrow()
    expect(() => createFetch({ deadlineMs: 1_000 })).not.toThrow()
    expect(() => createFetch({ maxDelayMs: 100 })).not.toThrow()
    expect(() => createFetch({ baseDelayMs: 100_000, maxDelayMs: 100_000 })).not.toThrow()
  })

  test.each<[object, string]>([
    [{ capacity: 0 }, 'capacity takes a number from 1 to 1000000, not 0'],
    [{ perCall: -0.1 }, 'perCall takes a number from 0 to 10, not -0.1'],
    [{ perSecond: Number.NaN }, 'perSecond takes a number from 0 to 100000, not NaN'],
  ])('of a budget: %j', (options, message) => {
    expect(() => createRetryBudget(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }))
  })
})

describe('what TypeScript would refuse', () => {
  test.each([
    ['honoursKeys', 'https://gateway.example'],
    ['honoursKeys', ['x']],
    ['honoursKeys', null],
    ['budget', {}],
    ['budget', true],
    ['resume', 'yes'],
    ['streamsUrl', 7],
    ['streamsUrl', 'http://['],
  ])('%s: %j', (name, value) => {
    expect(() => createFetch({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }),
    )
  })
})
