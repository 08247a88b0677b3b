import { afterAll, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { stateOf } from '../support/records.ts'
import { fillRedis } from '../support/redis/filling.ts'
import { startRedis } from '../support/redis/server.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
const server = await startRedis({ settings: { maxmemory: '64mb' } })
afterAll(() => server.stop())

function charge(gateway: Gateway, key: string, fault = ''): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

test.each(['ioredis', 'redis'])(
  'maxmemory is reached (%s): claims are refused, what runs is recorded, what is kept replays; with room again all is well',
  async client => {
    await sandbox.meter.reset()
    const gateway = await startGateway(sandbox.url, ['--store', `${server.url}?client=${client}&prefix=${client}`])
    onTestFinished(gateway.stop)
    const kept = await charge(gateway, 'kept')
    const running = charge(gateway, 'running', 'delay=1s, times=1')
    const words = Array.from({ length: 20 }, (_, at) => `w${at}`).join(' ')
    const openai = openAi(gateway.url)
    const stream = await openai.chat.completions.create(streamedChat(words), keyed('stream', 'gap=40ms'))
    const chunks = stream[Symbol.asyncIterator]()
    const beginning = await take(chunks, 3)
    await eventually(() => sandbox.meter.runs('running')).toBe(1)

    const free = await fillRedis(server)
    onTestFinished(free)
    const refused = await charge(gateway, 'refused')
    expect(problemOf(refused)).toEqual({ status: 503, code: 'STORE_FULL', shouldRetry: 'false' })
    // What to do about it is the operator's to know.
    await eventually(() => gateway.stderr()).toContain('raise maxmemory')
    expect(refused.text).not.toContain('maxmemory')
    expect(await sandbox.meter.runs('refused')).toBe(0)
    const replayed = await charge(gateway, 'kept')
    expect([replayed.text, replayed.headers['retrysafe-outcome']]).toEqual([kept.text, 'replayed'])
    const outcome = await running
    expect([outcome.status, outcome.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
    const whole = beginning + (await takeAll(chunks))
    expect(whole).toMatch(/^Run \d: you said: w0 .* w19$/)

    // There still is no room: the outcomes have landed all the same, and are served.
    for (const key of ['running', 'stream']) await eventually(() => stateOf(gateway.admin, key)).toBe('completed')
    expect((await charge(gateway, 'still-refused')).status).toBe(503)
    expect((await charge(gateway, 'running', 'delay=1s, times=1')).text).toBe(outcome.text)
    const again = await openai.chat.completions.create(streamedChat(words), keyed('stream', 'gap=40ms'))
    expect(await takeAll(again[Symbol.asyncIterator]())).toBe(whole)

    await free()
    expect((await charge(gateway, 'refused')).status).toBe(200)
    const runs = await Promise.all(['kept', 'running', 'stream', 'refused'].map(sandbox.meter.runs))
    expect(runs).toEqual([1, 1, 1, 1])
  },
)
