import { createOpenAI } from '@ai-sdk/openai'
import { generateText, stepCountIs, tool } from 'ai'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { makeStore, startGateway, takeoverLease } from '../support/gateway.ts'
import { startSandbox } from '../support/sandbox.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)
const forking = await startGateway(sandbox.url, ['--key-reuse', 'fork'])
afterAll(forking.stop)
const rejecting = await startGateway(sandbox.url)
afterAll(rejecting.stop)

function charge(url: string, key: string, body: string, credential = 'sk-test'): Promise<Answer> {
  const headers = { Authorization: `Bearer ${credential}`, 'Content-Type': 'application/json', 'Idempotency-Key': key }
  return ask(`${url}/effects/charge`, { headers, body })
}

/** What the upstream was sent as keys, and how often each ran. */
async function runsByKey(): Promise<Record<string, number>> {
  const { byKey } = await sandbox.meter.all()
  return Object.fromEntries(Object.entries(byKey).map(([key, { runs }]) => [key, runs]))
}

describe('--key-reuse fork', () => {
  test('control: under reject the second payload is a 422, which names the option, and so does the log, once', async () => {
    await charge(rejecting.url, 'loop', '{"step":1}')
    for (const step of [2, 3]) {
      const answer = await charge(rejecting.url, 'loop', `{"step":${step}}`)
      expect(problemOf(answer)).toEqual({ status: 422, code: 'KEY_REUSED', shouldRetry: 'false' })
      expect(jsonOf(answer)).toMatchObject({
        detail: expect.stringContaining('An agent loop that sends one key with every step wants --key-reuse fork.'),
      })
    }
    expect(rejecting.stderr().match(/wants --key-reuse fork/g)).toHaveLength(1)
  })

  test('each payload is a call of its own under one key, with one outcome', async () => {
    const answers: Answer[] = []
    for (const step of [1, 2, 1, 2]) answers.push(await charge(forking.url, 'loop', `{"step":${step}}`))
    expect(answers.map(({ headers }) => headers['retrysafe-outcome'])).toEqual([
      'executed',
      'executed',
      'replayed',
      'replayed',
    ])
    expect(answers.map(({ headers }) => headers['retrysafe-key'])).toEqual(['loop', 'loop', 'loop', 'loop'])
    expect(answers[2]?.text).toBe(answers[0]?.text)
    expect(answers[3]?.text).toBe(answers[1]?.text)
    expect(answers[1]?.text).not.toBe(answers[0]?.text)
  })

  test('the same value spelled otherwise is the same call', async () => {
    await charge(forking.url, 'spelling', '{"a":1,"b":[1.0]}')
    const retry = await charge(forking.url, 'spelling', '{ "b": [1], "a": 1 }')
    expect(retry.headers['retrysafe-outcome']).toBe('replayed')
  })

  test('the upstream gets a key for each payload, which says nothing of the caller’s and is the same at a retry', async () => {
    await charge(forking.url, 'upstream', '{"step":1}')
    await charge(forking.url, 'upstream', '{"step":2}')
    const runs = await runsByKey()
    expect(Object.values(runs)).toEqual([1, 1])
    for (const key of Object.keys(runs)) expect(key).toMatch(/^[\w-]{43}$/)
  })

  test('a form that is sent again with a new boundary is the same call', async () => {
    const send = async (): Promise<string | null> => {
      const body = new FormData()
      body.append('amount', '5')
      const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'form' }
      const answer = await fetch(`${forking.url}/effects/charge`, { method: 'POST', headers, body })
      await answer.arrayBuffer()
      return answer.headers.get('retrysafe-outcome')
    }
    expect(await send()).toBe('executed')
    expect(await send()).toBe('replayed')
  })

  test('another tenant’s same key and payload is another call, also to the upstream', async () => {
    const answers: Answer[] = []
    for (const credential of ['sk-test', 'sk-other', 'sk-other']) {
      answers.push(await charge(forking.url, 'tenants', '{"step":1}', credential))
    }
    expect(answers.map(({ headers }) => headers['retrysafe-outcome'])).toEqual(['executed', 'executed', 'replayed'])
    expect(Object.values(await runsByKey())).toEqual([1, 1])
  })

  test('duplicates of one payload at once are one run', async () => {
    const answers = await Promise.all([1, 1, 1, 2].map(step => charge(forking.url, 'race', `{"step":${step}}`)))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(2)
    expect(Object.values(await runsByKey())).toEqual([1, 1])
  })
})

describe('an agent loop of the Vercel AI SDK with one key for all of its steps', () => {
  /** Three calls of the model; the SDK sends the same headers with each. */
  async function runLoop(url: string, key: string): Promise<string> {
    const { text } = await generateText({
      model: createOpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-test' }).chat('sandbox-model'),
      prompt: 'call look {"at": "the sky"}',
      headers: { 'Idempotency-Key': key },
      tools: {
        look: tool({
          description: 'Looks.',
          inputSchema: z.object({ at: z.string() }),
          execute: ({ at }) => `saw ${at}`,
        }),
      },
      stopWhen: stepCountIs(4),
      maxRetries: 0,
    })
    return text
  }

  test('control: under reject its second step is refused', async () => {
    await expect(runLoop(rejecting.url, 'agent')).rejects.toThrow('Idempotency-Key is already used')
  })

  test('under fork each step runs once, also when the loop is run again after the gateway was killed', async () => {
    const flags = [...(await makeStore()), '--key-reuse', 'fork', '--lease', takeoverLease]
    const first = await startGateway(sandbox.url, flags)
    const text = await runLoop(first.url, 'agent')
    const paid = (await sandbox.meter.all()).runs
    expect(paid).toBe(2)
    await first.kill()
    const second = await startGateway(sandbox.url, flags)
    try {
      expect(await runLoop(second.url, 'agent')).toBe(text)
      expect((await sandbox.meter.all()).runs).toBe(paid)
    } finally {
      await second.stop()
    }
  })
})
