import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, ask } from '../support/exchange.ts'
import { type Gateway, isShared, makeStore, makeStoreFolder, startGateway, storeIn } from '../support/gateway.ts'
import { runProgram } from '../support/program.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, takeAll } from '../support/sdk.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)

async function start(store: readonly string[], ...flags: string[]): Promise<Gateway> {
  const gateway = await startGateway(sandbox.url, [...store, ...flags])
  onTestFinished(gateway.stop)
  return gateway
}

function charge(gateway: Gateway, key: string, credential = 'sk-test'): Promise<Answer> {
  const headers = { Authorization: `Bearer ${credential}`, 'Idempotency-Key': key }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

async function readStream(gateway: Gateway, key: string, text: string): Promise<string> {
  const stream = await openAi(gateway.url).chat.completions.create(streamedChat(text), keyed(key))
  return takeAll(stream[Symbol.asyncIterator]())
}

describe.each(['SIGTERM', 'SIGKILL'] as const)('after %s and a new start on the same store', signal => {
  test('outcomes replay, the tenant is the same, another one runs its own', async () => {
    const folder = makeStoreFolder()
    const store = isShared ? await makeStore() : storeIn(folder)
    const before = await start(store)
    // The second is too long to lie in its record.
    const text = 'word '.repeat(2_000).trim()
    const first = await charge(before, 'kept')
    const stream = await readStream(before, 'kept-stream', text)
    expect(stream).toBe(`Run 2: you said: ${text}`)
    if (signal === 'SIGTERM') {
      before.terminate()
      expect(await before.exited).toEqual({ code: 0, signal: null })
      if (!isShared) expect(readdirSync(join(folder, 'processes'))).toEqual([])
    } else await before.kill()

    const after = await start(store)
    const replay = await charge(after, 'kept')
    expect([replay.text, replay.headers['retrysafe-outcome']]).toEqual([first.text, 'replayed'])
    expect(await readStream(after, 'kept-stream', text)).toBe(stream)
    expect((await charge(after, 'kept', 'sk-other')).headers['retrysafe-outcome']).toBe('executed')
    expect([await sandbox.meter.runs('kept'), await sandbox.meter.runs('kept-stream')]).toEqual([2, 1])
  })
})

test('another --scope-secret than the store was made with: exit 2 and one line, and the store stays as it is', async () => {
  const store = await makeStore()
  const before = await start(store, '--scope-secret', 'the-secret-of-before')
  const first = await charge(before, 'kept')
  await before.stop()

  const wrong = ['serve', '--upstream', sandbox.url, '--port', '0', '--admin-port', '0', ...store]
  for (const flags of [[], ['--scope-secret', 'the-secret-of-after']]) {
    expect(await runProgram([...wrong, ...flags])).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr:
        'retrysafe: the store was used with another scope secret; give every process that shares it the same --scope-secret\n',
    })
  }

  const after = await start(store, '--scope-secret', 'the-secret-of-before')
  expect((await charge(after, 'kept')).text).toBe(first.text)
  expect(await sandbox.meter.runs('kept')).toBe(1)
})

test('gateways that start at the same moment on a new store share one secret', async () => {
  for (const name of ['one', 'two']) {
    const folder = join(makeStoreFolder(), name, 'new')
    expect(existsSync(folder)).toBe(false)
    const store = isShared ? await makeStore() : storeIn(folder)
    const gateways = await Promise.all([start(store), start(store), start(store)])
    const answers: Answer[] = []
    for (const gateway of gateways) answers.push(await charge(gateway, `shared-${name}`))
    expect(answers.map(answer => answer.headers['retrysafe-outcome'])).toEqual(['executed', 'replayed', 'replayed'])
    expect(await sandbox.meter.runs(`shared-${name}`)).toBe(1)
    await Promise.all(gateways.map(gateway => gateway.stop()))
  }
})
