import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { startSandbox } from '../support/sandbox.ts'
import { drawKey, outcomesOf } from './cases.ts'
import { runtimes, startSdkHost } from './sdk-host.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
const gateway = await startGateway(`openai=${sandbox.url}`, [
  ...['--upstream', `anthropic=${sandbox.url}`],
  ...['--upstream', `gemini=${sandbox.url}`],
])
afterAll(gateway.stop)
beforeEach(sandbox.meter.reset)

describe.each([
  ['openai', 'openai', 'chat'],
  ['openai', 'openai', 'responses'],
  ['anthropic', 'anthropic', 'messages'],
  ['google-genai', 'gemini', 'models'],
  ['ai', 'openai', 'openai responses'],
  ['ai', 'anthropic', 'anthropic messages'],
])('%s below /%s: %s', async (driver, upstream, api) => {
  const host = await startSdkHost(runtimes[0], driver)
  afterAll(host.stop)
  test.each(['plain', 'stream'] as const)('%s: one run, and its retry gets the same', async how => {
    const key = drawKey()
    const terms = { api, how, url: `${gateway.url}/${upstream}`, text: 'hello', retries: 0 }
    const call = { ...terms, headers: { 'Idempotency-Key': key } }
    const ends = [await host.start(call).end, await host.start(call).end]
    for (const end of ends) expect(end).toMatchObject({ kind: 'answered', text: 'Run 1: you said: hello' })
    expect(ends.map(outcomesOf)).toEqual([['executed'], ['replayed']])
    expect(await sandbox.meter.runs(key)).toBe(1)
  })
})
