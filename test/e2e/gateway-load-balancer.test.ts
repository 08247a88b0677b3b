import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { read } from '../house/source-files.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStore, startOneGateway } from '../support/gateway.ts'
import { type Nginx, startNginx } from '../support/nginx.ts'
import { provideDatabase } from '../support/postgres/provided-database.ts'
import { provideRedis } from '../support/redis/provided-server.ts'
import { startSandbox } from '../support/sandbox.ts'
import { openAi, streamedChat, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)

/** Longer than nginx waits for the first gateway, much shorter than it waits for both: a slow machine is late as well. */
const slow = 'delay=2400ms'
const timeout = 'proxy_read_timeout 2s;'
const keyHeaders = ['--key-header', 'Idempotency-Key', '--key-header', 'X-Request-Id']
const itsId = /^[0-9a-f]{32}$/

/** The block of docs/load-balancers.md, before these servers; the first of them gets the first request. */
function balance([one, other]: readonly string[], change = (block: string) => block): Promise<Nginx> {
  const block = /^```nginx\n([\s\S]*?)^```$/m.exec(read('docs/load-balancers.md'))?.[1] ?? ''
  const changes = [
    ['10.0.0.1:8787', new URL(one ?? '').host],
    ['10.0.0.2:8787', new URL(other ?? '').host],
    ['proxy_read_timeout 300s;', timeout],
  ] as const
  const own = changes.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`docs/load-balancers.md has not one ${from}`)
    return text.replace(from, to)
  }, block)
  return startNginx(change(own))
}

async function startPair(store: readonly string[], flags: readonly string[] = []): Promise<[Gateway, Gateway]> {
  const all = [...store, ...keyHeaders, ...flags]
  return Promise.all([startOneGateway(sandbox.url, all), startOneGateway(sandbox.url, all)])
}

function charge(url: string, fault = slow, keys: Record<string, string> = {}): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', 'Sandbox-Fault': fault }
  return ask(`${url}/effects/charge`, { headers: { ...headers, ...keys }, body: '{"amount":5}' })
}

async function provideSchema(): Promise<string> {
  const url = await provideDatabase()
  await migrate({ url })
  return url
}

const stores = [
  ['LMDB', await makeStore()],
  ['Redis', ['--store', await provideRedis()]],
  ['PostgreSQL', ['--store', await provideSchema()]],
] as const

describe.each(stores)('nginx over two gateways on %s', (_, store) => {
  test('a POST that it sends twice runs once, and its client gets the whole answer: plain, keyed, and a stream', async () => {
    const pair = await startPair(store)
    for (const gateway of pair) onTestFinished(gateway.stop)
    const nginx = await balance(pair.map(gateway => gateway.url))
    onTestFinished(nginx.stop)
    const asked = openAi(nginx.url).chat.completions.create(streamedChat('one two three'), {
      headers: { 'Sandbox-Fault': slow },
    })
    const streamed = asked.then(stream => takeAll(stream[Symbol.asyncIterator]()))
    const [plain, keyed, text] = await Promise.all([
      charge(nginx.url),
      charge(nginx.url, slow, { 'Idempotency-Key': 'order-1' }),
      streamed,
    ])
    expect(plain).toMatchObject({ status: 200, headers: { 'retrysafe-outcome': 'joined' } })
    expect(plain.text).toMatch(/^\{"effect":"charge","run":\d,"count":\d\}$/)
    expect(plain.headers['retrysafe-key']).toMatch(itsId)
    expect([keyed.status, keyed.headers['retrysafe-outcome'], keyed.headers['retrysafe-key']]).toEqual([
      200,
      'joined',
      'order-1',
    ])
    expect(text).toMatch(/^Run \d: you said: one two three$/)
    // Three calls, each sent to both gateways.
    expect(nginx.log().match(/upstream timed out/g)).toHaveLength(3)
    expect(await sandbox.meter.all()).toMatchObject({ received: 3, runs: 3 })

    const again = await charge(nginx.url, slow, { 'Idempotency-Key': 'order-1' })
    expect([again.text, again.headers['retrysafe-outcome']]).toEqual([keyed.text, 'replayed'])
    expect(await sandbox.meter.all()).toMatchObject({ received: 3, runs: 3 })
  })
})

describe('controls: the same POST is paid twice', () => {
  const once = `${slow}, times=1`

  test('without us', async () => {
    const nginx = await balance([sandbox.url, sandbox.url])
    onTestFinished(nginx.stop)
    expect((await charge(nginx.url, once)).status).toBe(200)
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, runs: 2 })
  })

  test('with us, but without an id: nothing in the request says that it is the second', async () => {
    const pair = await startPair(await makeStore())
    for (const gateway of pair) onTestFinished(gateway.stop)
    const withoutId = (block: string): string => block.replace('proxy_set_header X-Request-Id $request_id;', '')
    const nginx = await balance(
      pair.map(gateway => gateway.url),
      withoutId,
    )
    onTestFinished(nginx.stop)
    const answer = await charge(nginx.url, once)
    expect([answer.status, answer.headers['retrysafe-key']]).toEqual([200, undefined])
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, runs: 2 })
  })
})

describe.each([
  ['rerun', { status: 200, text: '{"effect":"charge","run":2,"count":2}' }, 2],
  ['fail', { status: 424 }, 1],
] as const)('--on-crash %s', (policy, told, runs) => {
  test('a gateway killed (-9) under a balancer’s request: the other one answers, by the policy', async () => {
    const [killed, other] = await startPair(await makeStore(), ['--on-crash', policy])
    for (const gateway of [killed, other]) onTestFinished(gateway.stop)
    const nginx = await balance([killed.url, other.url], block => block.replace(timeout, 'proxy_read_timeout 20s;'))
    onTestFinished(nginx.stop)
    const answer = charge(nginx.url, 'hang, times=1', { 'Idempotency-Key': 'killed' })
    await eventually(() => sandbox.meter.runs('killed')).toBe(1)
    await killed.kill()
    expect(await answer).toMatchObject(told)
    if (policy === 'fail') expect(problemOf(await answer).code).toBe('OUTCOME_UNKNOWN')
    expect(await sandbox.meter.runs('killed')).toBe(runs)
  })
})

test('a gateway that drains refuses, and the balancer’s next one runs the call', async () => {
  const [drained, other] = await startPair(await makeStore())
  for (const gateway of [drained, other]) onTestFinished(gateway.stop)
  // It stays to the end of this one.
  const last = charge(drained.url, 'delay=3s', { 'Idempotency-Key': 'last' })
  await eventually(() => sandbox.meter.runs('last')).toBe(1)
  drained.terminate()
  const isReady = async (): Promise<number> => (await ask(`${drained.admin}/readyz`, { method: 'GET' })).status
  await eventually(isReady).toBe(503)
  const nginx = await balance([drained.url, other.url])
  onTestFinished(nginx.stop)
  const answer = await charge(nginx.url, '')
  expect([answer.status, answer.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
  expect((await last).status).toBe(200)
  expect(await sandbox.meter.all()).toMatchObject({ received: 2, runs: 2 })
})
