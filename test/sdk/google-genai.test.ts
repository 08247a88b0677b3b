import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { openStage } from '../support/stage.ts'
import { drawKey, proveOneOutcome, statusesOf, textOf } from './cases.ts'
import { runtimes } from './sdk-host.ts'
import { type Subject, startCall, useSdk } from './subject.ts'

const stage = await openStage()
const { runs } = stage.sandbox.meter
// Its own list of what it retries is 408, 429, 500, 502, 503 and 504: a 409 raises, until it is told otherwise.
const traits = {
  afterTimeout: 'retries',
  onConflict: 'raises',
  onTruncated: 'takes it for success',
} as const
const majors = { installed: { '@google/genai': 2 }, newest: { '@google/genai': 3 } }

describe.each(runtimes)('@google/genai, $sdks, on Node $node', runtime => {
  const subject = { ...traits, stage, host: useSdk(runtime, 'google-genai', majors[runtime.sdks]) }
  proveOneOutcome({ ...subject, api: 'models' })
  proveItsRetries({ ...subject, api: 'models' })
})

/** It retries only what it is told to, and of failed connections none. */
function proveItsRetries(subject: Subject): void {
  test('control: without a gateway it does not retry a connection that is cut', async () => {
    const key = drawKey()
    const end = await startCall(subject, { key, fault: 'cut-before-head, times=1', retries: 2, direct: true }).end
    expect({ kind: end.kind, exchanges: end.exchanges.length }).toEqual({ kind: 'failed', exchanges: 1 })
    expect(await runs(key)).toBe(1)
  })

  test('through the gateway that is a 502, and it retries', async () => {
    const key = drawKey()
    const end = await startCall(subject, { key, fault: 'cut-before-head, times=1', retries: 2 }).end
    expect(end).toMatchObject({ kind: 'answered', text: 'Run 2: you said: hello' })
    expect(statusesOf(end)).toEqual([502, 200])
    expect(await runs(key)).toBe(2)
  })

  test('a 409 is retried once it stands among httpStatusCodes', async () => {
    const key = drawKey()
    const first = startCall(subject, { key, fault: 'delay=600ms' })
    await eventually(() => runs(key)).toBe(1)
    const wish = { key, retries: 4, retryStatuses: [408, 409, 429, 500, 502, 503, 504] }
    const second = await startCall(subject, { ...wish, headers: { 'Retrysafe-Wait': '0' } }).end
    expect(second).toMatchObject({ kind: 'answered', text: 'Run 1: you said: hello' })
    expect(statusesOf(second)[0]).toBe(409)
    expect(await textOf(first)).toBe('Run 1: you said: hello')
    expect(await runs(key)).toBe(1)
  })
}
