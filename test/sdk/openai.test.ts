import { describe, expect, test } from 'vitest'
import { openStage } from '../support/stage.ts'
import { drawKey, outcomesOf, proveOneOutcome, textOf } from './cases.ts'
import { type End, runtimes } from './sdk-host.ts'
import { type CallWish, type Subject, startCall, useSdk } from './subject.ts'

const stage = await openStage()
const { runs } = stage.sandbox.meter
const traits = {
  afterTimeout: 'retries',
  onConflict: 'retries',
  onTruncated: 'takes it for success',
} as const
const majors = { installed: { openai: 6 }, newest: { openai: 7 } }

describe.each(runtimes)('openai, $sdks, on Node $node', runtime => {
  const subject = { ...traits, stage, host: useSdk(runtime, 'openai', majors[runtime.sdks]) }
  describe('chat', () => proveOneOutcome({ ...subject, api: 'chat' }))
  describe('responses', () => proveOneOutcome({ ...subject, api: 'responses' }))
  describe('transcriptions', () => proveMultipart({ ...subject, api: 'transcriptions' }))
  describe('its own key', () => proveOwnKey({ ...subject, api: 'chat' }))
})

function proveMultipart(subject: Subject): void {
  test('control: without a gateway a retry with one key is a second run', async () => {
    const key = drawKey()
    const first = await startCall(subject, { key, direct: true }).end
    const retry = await startCall(subject, { key, direct: true }).end
    expect([first.kind, retry.kind]).toEqual(['answered', 'answered'])
    expect(boundariesOf(first, retry)).toBe(2)
    expect(await runs(key)).toBe(2)
  })

  test('a retry has a new boundary, so other bytes, and gets the first answer, byte for byte', async () => {
    const key = drawKey()
    const first = await startCall(subject, { key }).end
    const retry = await startCall(subject, { key }).end
    expect([first.kind, retry.kind]).toEqual(['answered', 'answered'])
    expect(boundariesOf(first, retry)).toBe(2)
    expect([first, retry].map(outcomesOf)).toEqual([['executed'], ['replayed']])
    expect(retry.exchanges[0]?.body).toBe(first.exchanges[0]?.body)
    expect(await runs(key)).toBe(1)
  })

  test('the retry that the SDK makes when it has waited too long has one, too: one run', async () => {
    const key = drawKey()
    const end = await startCall(subject, { key, fault: 'delay=800ms', timeoutMs: 400, retries: 3 }).end
    expect(end.kind).toBe('answered')
    expect(boundariesOf(end)).toBe(end.exchanges.length)
    expect(end.exchanges.length).toBeGreaterThan(1)
    expect(await runs(key)).toBe(1)
  })

  test('another file under the same key is refused', async () => {
    const key = drawKey()
    await textOf(startCall(subject, { key }))
    const other = await startCall(subject, { key, text: 'HELLO', retries: 2 }).end
    expect(other).toMatchObject({ kind: 'failed', status: 422 })
    expect(other.exchanges).toHaveLength(1)
    expect(await runs(key)).toBe(1)
  })
}

/** How many different boundaries went out. */
function boundariesOf(...ends: readonly End[]): number {
  const contentTypes = ends.flatMap(end => end.exchanges.map(exchange => exchange.contentType ?? ''))
  return new Set(contentTypes.map(value => /^multipart\/form-data; boundary=(.+)$/.exec(value)?.[1])).size
}

function proveOwnKey(subject: Subject): void {
  const slow = { fault: 'delay=800ms', timeoutMs: 400, retries: 3 }
  const header = { idempotencyHeader: 'Idempotency-Key' }

  const givenKey = drawKey()
  test.each<[string, CallWish, RegExp]>([
    ['drawn by the SDK', header, /^stainless-node-retry-[\w-]{36}$/],
    ['given as idempotencyKey', { ...header, idempotencyKey: givenKey }, new RegExp(`^${givenKey}$`)],
  ])('client.idempotencyHeader sends one key with every attempt: %s', async (_, wish, pattern) => {
    const end = await startCall(subject, { ...slow, ...wish }).end
    expect(end).toMatchObject({ kind: 'answered', text: 'Run 1: you said: hello' })
    const [key, ...others] = new Set(end.exchanges.map(exchange => exchange.key))
    expect(others).toEqual([])
    expect(key).toMatch(pattern)
    expect(end.exchanges.length).toBeGreaterThan(1)
    expect(await runs(key ?? '')).toBe(1)
  })

  test('idempotencyKey without client.idempotencyHeader is dropped silently', async () => {
    const end = await startCall(subject, { idempotencyKey: 'order-7' }).end
    expect(end.exchanges.map(exchange => exchange.key)).toEqual([null])
  })
}
