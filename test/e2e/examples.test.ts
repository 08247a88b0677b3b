import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import { createRetrysafe, type Retrysafe } from 'retrysafe'
import { rolldown } from 'rolldown'
import { expect, onTestFinished, test } from 'vitest'
import { createApp as createChat } from '../../examples/express-chat/app.ts'
import { createApp as createReports } from '../../examples/fastify-stream/app.ts'
import { createApp as createForm } from '../../examples/form/app.ts'
import { createApp as createEdge } from '../../examples/hono-edge/app.ts'
import { POST } from '../../examples/next-route-handler/route.ts'
import { askTwice } from '../../examples/openai-sdk/one-run.ts'
import { root } from '../house/source-files.ts'
import { startBatch } from '../support/batch-runner.ts'
import { eventually } from '../support/eventually.ts'
import { makeStoreFolder, startGateway } from '../support/gateway.ts'
import { meter } from '../support/meter.ts'
import { startProgram } from '../support/program.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

test('examples/openai-sdk: two answers, one run', async () => {
  expect(await askTwice(gateway.url, 'sk-example')).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-1'])
  expect(await sandbox.meter.runs('order-42')).toBe(1)
})

test('control: without the gateway, two runs', async () => {
  expect(await askTwice(sandbox.url, 'sk-example')).toEqual(['chatcmpl-sandbox-1', 'chatcmpl-sandbox-2'])
  expect(await sandbox.meter.runs('order-42')).toBe(2)
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function openSafe(): Retrysafe {
  const safe = createRetrysafe({ store: 'memory:' })
  onTestFinished(() => safe.close())
  return safe
}

/** Two posts, one after the other: status, outcome and text of each. */
async function postTwice(url: string, body: string, headers: Record<string, string>): Promise<unknown[]> {
  const answers: unknown[] = []
  for (const _ of [1, 2]) {
    const answer = await fetch(url, { method: 'POST', body, headers, redirect: 'manual' })
    answers.push([answer.status, answer.headers.get('retrysafe-outcome'), await answer.text()])
  }
  return answers
}

const json = { 'Content-Type': 'application/json', 'Idempotency-Key': 'k' }

test('examples/express-chat: the model runs once, and a retry gets its words', async () => {
  let runs = 0
  const app = createChat(openSafe(), async function* (turns) {
    runs += 1
    yield* ['You', 'said', turns[0]?.content ?? '']
  })
  const url = await listen(app)
  const body = '{"messages":[{"role":"user","content":"hi"}]}'
  const words = 'data: {"word":"You"}\n\ndata: {"word":"said"}\n\ndata: {"word":"hi"}\n\ndata: [DONE]\n\n'
  expect(await postTwice(`${url}/api/messages`, body, { ...json, 'X-User': 'ann' })).toEqual([
    [200, 'executed', words],
    [200, 'replayed', words],
  ])
  expect(runs).toBe(1)
  // The control: another user, another run.
  await postTwice(`${url}/api/messages`, body, { ...json, 'X-User': 'bob' })
  expect(runs).toBe(2)
})

test('examples/fastify-stream: one report, and a route that is left out', async () => {
  const titles: string[] = []
  const app = createReports(openSafe(), async function* (title) {
    titles.push(title)
    yield* [`${title}, page 1`, `${title}, page 2`]
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => app.close())
  const pages = '{"line":"2026, page 1"}\n{"line":"2026, page 2"}\n'
  expect(await postTwice(`${url}/reports`, '{"title":"2026"}', { ...json, Authorization: 'Bearer ann' })).toEqual([
    [200, 'executed', pages],
    [200, 'replayed', pages],
  ])
  expect(titles).toEqual(['2026'])
  expect(await postTwice(`${url}/ping`, '{}', json)).toEqual([
    [200, null, 'pong'],
    [200, null, 'pong'],
  ])
})

test('examples/hono-edge: one answer, and nothing for who may not ask', async () => {
  let runs = 0
  const model = async function* (question: string) {
    runs += 1
    yield* [question, 'Because.']
  }
  const url = await listen(getRequestListener(createEdge(openSafe(), model, 'secret').fetch))
  const words = 'data: Why?\n\ndata: Because.\n\n'
  expect(await postTwice(`${url}/ask`, '{"question":"Why?"}', { ...json, Authorization: 'Bearer secret' })).toEqual([
    [200, 'executed', words],
    [200, 'replayed', words],
  ])
  const refused = await fetch(`${url}/ask`, { method: 'POST', headers: { ...json, Authorization: 'Bearer other' } })
  expect([refused.status, runs]).toEqual([401, 1])
})

test('examples/next-route-handler: one order, one charge, under a key of its own', async () => {
  const keys: unknown[] = []
  const payments = await listen((request, response) => {
    keys.push(request.headers['idempotency-key'])
    response.setHeader('Content-Type', 'application/json')
    response.end(`{"id":"charge-${keys.length}"}`)
  })
  process.env['PAYMENTS'] = payments
  const url = await listen(getRequestListener(request => POST(request)))
  const made = '{"charge":"charge-1","item":"tea","amount":3}'
  expect(await postTwice(url, '{"item":"tea","amount":3}', { ...json, 'X-User': 'ann' })).toEqual([
    [201, 'executed', made],
    [201, 'replayed', made],
  ])
  expect(keys).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
})

test('examples/form: two clicks are one order, and the same form bought again on purpose is another', async () => {
  let orders = 0
  const url = await listen(createForm(openSafe(), async () => ++orders))
  const hidden = async () => /name="form" value="([^"]+)"/.exec(await (await fetch(url)).text())?.[1] ?? ''
  const send = async (form: string) =>
    postTwice(`${url}/orders`, new URLSearchParams({ item: 'tea', amount: '3', form }).toString(), {
      'Content-Type': 'application/x-www-form-urlencoded',
    })
  expect(await send(await hidden())).toEqual([
    [200, 'executed', 'order 1'],
    [200, 'replayed', 'order 1'],
  ])
  expect(await send(await hidden())).toEqual([
    [200, 'executed', 'order 2'],
    [200, 'replayed', 'order 2'],
  ])
})

/** Node 20 runs no TypeScript. */
async function compile(example: string): Promise<string> {
  const external = /^(openai|retrysafe)/
  const build = await rolldown({ input: join(root, example), platform: 'node', logLevel: 'silent', external })
  const file = join(makeStoreFolder(), 'main.mjs')
  symlinkSync(join(root, 'node_modules'), join(dirname(file), 'node_modules'), 'dir')
  await build.write({ file, codeSplitting: false })
  await build.close()
  return file
}

/** An example in lives of its process, at a provider whose answers take a moment. */
async function openLives(
  example: string,
  environment: Record<string, string>,
): Promise<{
  slow: string
  runs(key: string): Promise<number>
  allRuns(): Promise<number>
  live(url: string): ChildProcess
}> {
  const program = await compile(example)
  const provider = await startProgram(['sandbox', '--port', '0', '--fault', 'delay=300ms'])
  onTestFinished(provider.stop)
  const slow = provider.ready['url'] ?? ''
  const { runs, all } = meter(slow)
  return {
    slow,
    runs,
    allRuns: async () => (await all()).runs,
    live(url) {
      const env = { ...process.env, GATEWAY: url, ...environment }
      const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    },
  }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

test('examples/agent-loop: killed in two of its steps, it goes on, and each step is paid once', async () => {
  const { slow, runs, allRuns, live } = await openLives('examples/agent-loop/main.ts', { LOOP_ID: 'trip' })
  const guarded = await startGateway(slow)
  onTestFinished(guarded.stop)
  for (const step of [2, 5]) {
    const child = live(guarded.url)
    await eventually(allRuns).toBeGreaterThanOrEqual(step)
    await kill(child)
  }
  const { stdout } = live(guarded.url)
  expect(await text(stdout ?? expect.fail('no stdout'))).toBe(
    '["Run 3: you said: call book {\\"flight\\":\\"RS 42\\"}","Run 6: you said: call book {\\"hotel\\":\\"Rest\\"}"]\n',
  )
  expect(await Promise.all([1, 2, 3, 4, 5, 6].map(step => runs(`trip-step-${step}`)))).toEqual([1, 1, 1, 1, 1, 1])
  expect(await allRuns()).toBe(6)
})

test('control: straight at the provider, what was paid for before the kill is paid again', async () => {
  const { slow, runs, allRuns, live } = await openLives('examples/agent-loop/main.ts', { LOOP_ID: 'trip' })
  const child = live(slow)
  await eventually(allRuns).toBeGreaterThanOrEqual(2)
  await kill(child)
  await once(live(slow), 'exit')
  expect(await Promise.all([1, 2, 6].map(step => runs(`trip-step-${step}`)))).toEqual([2, 2, 1])
})

test('examples/nightly-batch: killed twice, it goes on, and each review is paid once', async () => {
  const store = `lmdb:${makeStoreFolder()}`
  const { slow, allRuns, live } = await openLives('examples/nightly-batch/main.ts', { NIGHT: 'tonight', STORE: store })
  const guarded = await startGateway(slow)
  onTestFinished(guarded.stop)
  for (const runs of [2, 5]) {
    const child = live(guarded.url)
    await eventually(allRuns).toBeGreaterThanOrEqual(runs)
    await kill(child)
  }
  const { stdout } = live(guarded.url)
  const judged: unknown = JSON.parse(await text(stdout ?? expect.fail('no stdout')))
  expect(judged).toEqual({
    'review-1': expect.stringMatching(/^Run \d: you said: Is this a complaint\? Too salty\.$/),
    'review-2': expect.stringMatching(/^Run \d: you said: Is this a complaint\? Lovely!$/),
    'review-3': expect.stringMatching(/^Run \d: you said: Is this a complaint\? The lid broke\.$/),
    'review-4': expect.stringMatching(/^Run \d: you said: Is this a complaint\? Never again\.$/),
    'review-5': expect.stringMatching(/^Run \d: you said: Is this a complaint\? As described\.$/),
    'review-6': expect.stringMatching(/^Run \d: you said: Is this a complaint\? Late, but good\.$/),
  })
  expect(await allRuns()).toBe(6)
})

test('examples/nightly-batch, by the command: one answer a line of its file', async () => {
  const output = join(makeStoreFolder(), 'judged.jsonl')
  const input = join(root, 'examples/nightly-batch/requests.jsonl')
  const { code } = await startBatch([input, '--out', output, '--base-url', `${gateway.url}/v1`, '--store', 'memory:'])
    .ended
  expect(code).toBe(0)
  expect((await sandbox.meter.all()).runs).toBe(6)
  const ids = readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).custom_id)
  expect(ids.sort()).toEqual(['review-1', 'review-2', 'review-3', 'review-4', 'review-5', 'review-6'])
})
