import { describe, expect, test } from 'vitest'
import type { FetchOptions } from '../../src/client/options.ts'
import { attemptsAt, same } from './attempts-at.ts'
import { type Asked, openHost } from './host.ts'

const host = await openHost()
const attempts = attemptsAt(host)
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const keyed = (key: string): RequestInit => ({ method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } })
const keyOf = ({ headers }: Asked): string | undefined => headers['idempotency-key']?.toString()
const bodyOf = ({ body }: Asked): string => body.toString('latin1')

describe('the key', () => {
  test.each([
    ['bare', 'order-1', 'order-1'],
    ['quoted', '"order,1"', 'order,1'],
    ['quoted, with escapes', '"a\\"b"', 'a"b'],
  ])('of the header, %s, goes out as it came', async (_, line, key) => {
    const keys: unknown[] = []
    const onAttempt: FetchOptions['onAttempt'] = event => keys.push(event.key)
    const made = await attempts(fetch => fetch(host.url, keyed(line)), { onAttempt, key: () => 'named' })
    expect(same(made, keyOf)).toBe(line)
    expect(keys).toEqual([key, key, key])
  })

  test.each([
    ['named at once', () => 'order-1', 'order-1'],
    ['named later', async () => 'order-2', 'order-2'],
    ['of the content', async (request: Request) => `body-${await request.text()}`, 'body-x'],
    ['of the head', (request: Request) => `${request.method}-${request.headers.get('x-user')}`, 'POST-u'],
    ['that has to be quoted', () => 'a"b,c\\d;e', '"a\\"b,c\\\\d;e"'],
    ['of 255 characters', () => 'k'.repeat(255), 'k'.repeat(255)],
  ])('%s', async (_, key, line) => {
    const made = await attempts(fetch => fetch(host.url, { method: 'POST', body: 'x', headers: { 'x-user': 'u' } }), {
      key,
    })
    expect([same(made, keyOf), same(made, bodyOf)]).toEqual([line, 'x'])
  })

  test.each([
    ['without a function', {}],
    ['where it gives undefined', { key: () => undefined }],
    ['where it gives null', { key: async () => null }],
  ])('drawn, %s: one for each call', async (_, options) => {
    const one = same(await attempts(fetch => fetch(host.url, { method: 'POST' }), options), keyOf)
    const other = same(await attempts(fetch => fetch(host.url, { method: 'PATCH' }), options), keyOf)
    expect(one).toMatch(uuid)
    expect(other).toMatch(uuid)
    // They sort as they were made.
    expect(String(one) < String(other)).toBe(true)
  })

  test.each(['GET', 'PUT', 'DELETE'])('%s has none', async method => {
    const asked: string[] = []
    const key = (request: Request): string => String(asked.push(request.method))
    const made = await attempts(fetch => fetch(host.url, { method }), { key })
    expect([same(made, keyOf), asked]).toEqual([undefined, []])
  })

  test('a method that is named has one, others have none', async () => {
    const put = await attempts(fetch => fetch(host.url, { method: 'PUT' }), { methods: ['put'] })
    expect(same(put, keyOf)).toMatch(uuid)
    const post = await attempts(fetch => fetch(host.url, { method: 'POST' }), { methods: ['put'] })
    expect(same(post, keyOf)).toBeUndefined()
  })

  test('in another header', async () => {
    const made = await attempts(fetch => fetch(host.url, keyed('theirs')), {
      keyHeader: 'X-Request-Id',
      key: () => 'k',
    })
    expect(same(made, ({ headers }) => `${headers['x-request-id']} ${headers['idempotency-key']}`)).toBe('k theirs')
  })

  test('of a Request is its own, and nothing is written into it', async () => {
    const request = new Request(host.url, { method: 'POST', headers: { 'x-own': '1' } })
    expect(same(await attempts(fetch => fetch(request)), keyOf)).toMatch(uuid)
    expect([...request.headers]).toEqual([['x-own', '1']])
  })
})
