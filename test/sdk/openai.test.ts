import { describe, expect, test } from 'vitest'
import { openStage } from '../support/stage.ts'
import { drawKey, proveOneOutcome } from './cases.ts'
import { proveMultipart } from './multipart.ts'
import { runtimes } from './sdk-host.ts'
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
