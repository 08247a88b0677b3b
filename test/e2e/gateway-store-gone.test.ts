import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { openStoreBehindLines, storeTimeoutMs } from '../support/distant-store.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import type { Gateway } from '../support/gateway.ts'
import { recordOf, stateOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)
const { server, open } = await openStoreBehindLines()

const words = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
const unavailable = { status: 503, code: 'STORE_UNAVAILABLE', shouldRetry: 'true' }

function charge(gateway: Gateway, key: string, fault = ''): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

function outcomeOf(answer: Answer): unknown {
  return answer.headers['retrysafe-outcome']
}

async function readyOf(gateway: Gateway): Promise<[number, string][]> {
  const asked = [`${gateway.url}/_retrysafe/readyz`, `${gateway.admin}/readyz`]
  const answers = await Promise.all(asked.map(url => ask(url, { method: 'GET' })))
  return answers.map(({ status, text }) => [status, text])
}

/** What the gateway has said of its store. */
function linesOf(gateway: Gateway): string[] {
  return gateway
    .stderr()
    .split('\n')
    .filter(line => line.includes('the store is'))
}

/** Milliseconds that something took. */
async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

const outOfReach: [number, string] = [503, 'the store is out of reach\n']

describe('gone before a claim', () => {
  test('503, and nothing is dispatched; not ready, but alive; back again all is as before', async () => {
    const store = await open()
    const gateway = await store.serve(sandbox.url)
    expect(outcomeOf(await charge(gateway, 'before'))).toBe('executed')
    expect(await readyOf(gateway)).toEqual(Array(2).fill([200, 'ok\n']))

    store.cutOff()
    const refused = await Promise.all(Array.from({ length: 20 }, (_, at) => charge(gateway, `during-${at}`)))
    expect(refused.map(problemOf)).toEqual(Array(20).fill(unavailable))
    expect(refused.map(outcomeOf)).toEqual(Array(20).fill('refused'))
    // How the store is reached is the operator's to know.
    const details = refused.map(answer => Reflect.get(Object(jsonOf(answer)), 'detail'))
    expect(details).toEqual(Array(20).fill('Nothing was run.'))
    expect(problemOf(await charge(gateway, 'before'))).toEqual(unavailable)
    await eventually(() => readyOf(gateway)).toEqual(Array(2).fill(outOfReach))
    for (const url of [`${gateway.url}/_retrysafe/livez`, `${gateway.admin}/livez`]) {
      expect((await ask(url, { method: 'GET' })).status).toBe(200)
    }
    expect(problemOf(await ask(`${gateway.admin}/api/v1/records`, { method: 'GET' })).status).toBe(503)
    // What carries no key has nothing to do with the store.
    expect((await ask(`${gateway.url}/effects/charge`, { body: '{}' })).status).toBe(200)
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, runs: 2 })

    await store.restore()
    await eventually(() => readyOf(gateway)).toEqual(Array(2).fill([200, 'ok\n']))
    expect(outcomeOf(await charge(gateway, 'before'))).toBe('replayed')
    expect(outcomeOf(await charge(gateway, 'during-0'))).toBe('executed')
    // Two lines, however many requests it met; and the password of a URL would be in neither.
    await eventually(() => linesOf(gateway)).toHaveLength(2)
    const [begin, end] = linesOf(gateway)
    expect(begin).toMatch(
      /refused until it is back \(--on-store-error closed\): .*(ECONNREFUSED|ECONNRESET|terminated)/,
    )
    expect(end).toMatch(/^retrysafe: the store is back after \d+\.\d s; .*: 0 passed through, 21 refused$/)
    expect(gateway.stderr()).not.toContain('a request failed')
  })

  test('silent: 503 after its time-out, and when it speaks again all is as before', async () => {
    const store = await open()
    const gateway = await store.serve(sandbox.url)
    store.line.stall()
    const tookMs = await timeOf(async () => expect(problemOf(await charge(gateway, 'silent'))).toEqual(unavailable))
    expect(tookMs).toBeLessThan(4 * storeTimeoutMs + 1_000)
    await eventually(() => readyOf(gateway)).toEqual(Array(2).fill(outOfReach))
    expect(await sandbox.meter.all()).toMatchObject({ received: 0 })
    store.line.resume()
    await eventually(() => readyOf(gateway)).toEqual(Array(2).fill([200, 'ok\n']))
    expect(outcomeOf(await charge(gateway, 'silent'))).toBe('executed')
    expect(await sandbox.meter.runs('silent')).toBe(1)
  })

  test.each(['rerun', 'fail'])(
    'a claim that was made, and no answer came: a retry need not wait for its lease (%s)',
    async policy => {
      const store = await open()
      const flags = ['--lease', '1h', '--on-crash', policy]
      const gateway = await store.serve(sandbox.url, flags)
      const other = await store.serve(sandbox.url, flags, 'direct')
      const key = `made-${policy}`
      store.line.stall('server')
      expect(problemOf(await charge(gateway, key))).toEqual(unavailable)
      expect(await recordOf(other.admin, key)).toMatchObject({ state: 'running', attempt: 1 })
      store.line.resume()
      await eventually(() => stateOf(other.admin, key)).toBe('absent')
      expect(outcomeOf(await charge(gateway, key))).toBe('executed')
      expect(await recordOf(other.admin, key)).toMatchObject({ state: 'completed', attempt: 1 })
      expect(await sandbox.meter.runs(key)).toBe(1)
    },
  )
})

describe('gone after the effect', () => {
  test('of a plain answer: the caller gets it within a second, nobody runs it again, and a retry is a replay', async () => {
    const store = await open()
    const gateway = await store.serve(sandbox.url)
    const fault = 'delay=1s, times=1'
    const first = charge(gateway, 'plain', fault)
    await eventually(() => sandbox.meter.runs('plain')).toBe(1)
    store.cutOff()
    const tookMs = await timeOf(() => first)
    expect(tookMs).toBeLessThan(3_000)
    const answer = await first
    expect([answer.status, outcomeOf(answer), answer.text]).toEqual([
      200,
      'executed',
      '{"effect":"charge","run":1,"count":1}',
    ])
    expect(problemOf(await charge(gateway, 'plain', fault))).toEqual(unavailable)

    await store.restore()
    await eventually(() => stateOf(gateway.admin, 'plain')).toBe('completed')
    const replay = await charge(gateway, 'plain', fault)
    expect([replay.text, outcomeOf(replay)]).toEqual([answer.text, 'replayed'])
    expect(await sandbox.meter.runs('plain')).toBe(1)
  })

  test.each(['cut', 'silent'])(
    'of a stream, in the middle of it, %s: it goes on to its end, and a retry is a replay',
    async how => {
      const store = await open()
      const gateway = await store.serve(sandbox.url)
      const key = `stream-${how}`
      const client = openAi(gateway.url)
      const stream = await client.chat.completions.create(streamedChat(words), keyed(key, 'gap=30ms'))
      const chunks = stream[Symbol.asyncIterator]()
      const beginning = await take(chunks, 3)
      if (how === 'silent') store.line.stall()
      else store.cutOff()
      const most = await take(chunks, 32)
      expect(beginning + most).toBe(`Run 1: you said: ${words}`)
      // What is left is its end, which waits for the store, but not for ever.
      const endMs = await timeOf(async () => expect(await takeAll(chunks)).toBe(''))
      expect(endMs).toBeLessThan(2_500)

      if (how === 'silent') store.line.resume()
      else await store.restore()
      await eventually(() => stateOf(gateway.admin, key).catch(String)).toBe('completed')
      const again = await client.chat.completions.create(streamedChat(words), keyed(key, 'gap=30ms')).withResponse()
      expect(again.response.headers.get('retrysafe-outcome')).toBe('replayed')
      expect(await takeAll(again.data[Symbol.asyncIterator]())).toBe(`Run 1: you said: ${words}`)
      expect(await sandbox.meter.runs(key)).toBe(1)
    },
  )

  test('the server itself is killed while many calls run, and comes back: one run each, all recorded', async () => {
    const store = await open()
    const gateway = await store.serve(sandbox.url)
    const keys = Array.from({ length: 30 }, (_, at) => `killed-${at}`)
    const calls = keys.map(key => charge(gateway, key, 'delay=1s, times=1'))
    await eventually(async () => (await sandbox.meter.all()).runs).toBe(30)
    await server.kill()
    const answers = await Promise.all(calls)
    expect(answers.map(answer => [answer.status, outcomeOf(answer)])).toEqual(Array(30).fill([200, 'executed']))
    await server.start()
    for (const [at, key] of keys.entries()) {
      await eventually(() => stateOf(gateway.admin, key).catch(String)).toBe('completed')
      const replay = await charge(gateway, key, 'delay=1s, times=1')
      expect([replay.text, outcomeOf(replay)]).toEqual([answers[at]?.text, 'replayed'])
    }
    expect(await sandbox.meter.all()).toMatchObject({ received: 30, runs: 30 })
    expect(gateway.stderr()).not.toMatch(/unhandled|TypeError/i)
  })
})

test('connections that break anywhere in their beginning: no key runs twice, and the gateway lives', async () => {
  const store = await open()
  const gateway = await store.serve(sandbox.url)
  // What the server says until the first statement of ours is answered has about 700 bytes.
  const places = Array.from({ length: 50 }, (_, at) => at * 20)
  for (const place of places) {
    store.line.cut()
    void store.line.cutAfter('server', place)
    const answer = await charge(gateway, `place-${place}`)
    expect([200, 503]).toContain(answer.status)
    await eventually(async () => (await charge(gateway, `place-${place}`)).status).toBe(200)
    expect(await sandbox.meter.runs(`place-${place}`)).toBe(1)
  }
})

describe('a shutdown while an outcome waits for the store', () => {
  async function startWaiting(key: string) {
    const store = await open()
    const gateway = await store.serve(sandbox.url)
    const other = await store.serve(sandbox.url, [], 'direct')
    const first = charge(gateway, key, 'delay=500ms, times=1')
    await eventually(() => sandbox.meter.runs(key)).toBe(1)
    store.cutOff()
    expect((await first).status).toBe(200)
    gateway.terminate()
    await eventually(() => gateway.stderr()).toContain('draining')
    expect(await stateOf(other.admin, key)).toBe('running')
    return { store, gateway, other }
  }

  test('waits until it is there, and exits with 0', async () => {
    const { store, gateway, other } = await startWaiting('drained')
    await store.restore()
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    expect(await stateOf(other.admin, 'drained')).toBe('completed')
  })

  test('ends at the second signal, with exit 1: then the lease decides', async () => {
    const { gateway, other } = await startWaiting('hurried')
    const endMs = await timeOf(async () => {
      gateway.terminate()
      expect(await gateway.exited).toEqual({ code: 1, signal: null })
    })
    expect(endMs).toBeLessThan(5_000)
    expect(await stateOf(other.admin, 'hurried')).toBe('running')
  })
})

describe('who follows a run of another gateway', () => {
  test('is told 503 before the head, and its connection breaks after it: never a clean end, never a second run', async () => {
    const store = await open()
    const runner = await store.serve(sandbox.url, [], 'direct')
    const gateway = await store.serve(sandbox.url)
    const plain = charge(runner, 'followed', 'delay=2s, times=1')
    const fault = 'gap=100ms'
    const first = await openAi(runner.url).chat.completions.create(streamedChat(words), keyed('followed-stream', fault))
    const running = first[Symbol.asyncIterator]()
    await take(running, 3)
    await eventually(() => sandbox.meter.runs('followed')).toBe(1)
    const waiter = charge(gateway, 'followed', 'delay=2s, times=1')
    const joined = await openAi(gateway.url)
      .chat.completions.create(streamedChat(words), keyed('followed-stream', fault))
      .withResponse()
    expect(joined.response.headers.get('retrysafe-outcome')).toBe('joined')
    const following = joined.data[Symbol.asyncIterator]()
    const seen = await take(following, 3)

    store.cutOff()
    let after = ''
    const rest = (async () => {
      for (;;) after += await take(following, 1)
    })()
    await expect(rest).rejects.toThrow('terminated')
    expect(`Run 1: you said: ${words}`.replace(/^Run \d/, seen.slice(0, 5)).startsWith(seen + after)).toBe(true)
    expect(problemOf(await waiter)).toEqual(unavailable)

    await store.restore()
    expect((await plain).status).toBe(200)
    await takeAll(running)
    await eventually(async () => outcomeOf(await charge(gateway, 'followed', 'delay=2s, times=1'))).toBe('replayed')
    expect([await sandbox.meter.runs('followed'), await sandbox.meter.runs('followed-stream')]).toEqual([1, 1])
  })
})
