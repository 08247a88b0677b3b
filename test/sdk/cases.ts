import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { Call, End } from './sdk-host.ts'
import { type CallWish, type Subject, startCall } from './subject.ts'

const words = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
const hows = ['plain', 'stream'] as const

/** What every SDK must see: one key, one outcome. */
export function proveOneOutcome(subject: Subject): void {
  describe.each(hows)('%s', how => proveReplay(subject, how))
  proveJoin(subject)
  proveFailures(subject)
  proveRetries(subject)
  proveRefusals(subject)
}

function proveReplay(subject: Subject, how: 'plain' | 'stream'): void {
  const { runs } = subject.stage.sandbox.meter

  test('control: without a gateway a retry with one key is a second run', async () => {
    const key = drawKey()
    expect(await textOf(startCall(subject, { how, key, direct: true }))).toBe('Run 1: you said: hello')
    expect(await textOf(startCall(subject, { how, key, direct: true }))).toBe('Run 2: you said: hello')
    expect(await runs(key)).toBe(2)
  })

  test('a retry with one key gets the first answer, byte for byte', async () => {
    const key = drawKey()
    const first = await startCall(subject, { how, key }).end
    const retry = await startCall(subject, { how, key }).end
    for (const end of [first, retry]) expect(end).toMatchObject({ kind: 'answered', text: 'Run 1: you said: hello' })
    expect(outcomesOf(first)).toEqual(['executed'])
    expect(outcomesOf(retry)).toEqual(['replayed'])
    expect(bodyOf(retry)).toBe(bodyOf(first))
    expect(bodyOf(first)).toMatch(how === 'plain' ? /^\s*[[{].*[\]}]\s*$/s : /^(event|data): .*\n$/s)
    expect(await runs(key)).toBe(1)
  })
}

function proveJoin(subject: Subject): void {
  const { runs } = subject.stage.sandbox.meter

  /** Two calls with one key, the second begun in the middle of the first. */
  async function race(wish: CallWish): Promise<{ calls: readonly [Call, Call]; firstWasOver: boolean }> {
    const first = startCall(subject, wish)
    await eventually(() => first.text()).toMatch(/^Run 1: you said: w0/)
    const second = startCall(subject, wish)
    await eventually(() => second.text()).toMatch(/^Run \d: you said: w0/)
    return { calls: [first, second], firstWasOver: first.isOver() }
  }

  test('control: without a gateway a second call in mid-stream is a second run', async () => {
    const key = drawKey()
    const { calls } = await race({ how: 'stream', text: words, key, fault: 'gap=15ms', direct: true })
    expect(await Promise.all(calls.map(textOf))).toEqual([`Run 1: you said: ${words}`, `Run 2: you said: ${words}`])
    expect(await runs(key)).toBe(2)
  })

  test('a second call in mid-stream joins: the same text from the start, in one run', async () => {
    const key = drawKey()
    const { calls, firstWasOver } = await race({ how: 'stream', text: words, key, fault: 'gap=15ms' })
    expect(firstWasOver).toBe(false)
    const ends = await Promise.all(calls.map(call => call.end))
    for (const end of ends) expect(end).toMatchObject({ kind: 'answered', text: `Run 1: you said: ${words}` })
    expect(ends.map(outcomesOf)).toEqual([['executed'], ['joined']])
    expect(await runs(key)).toBe(1)
  })
}

function proveFailures(subject: Subject): void {
  const { runs } = subject.stage.sandbox.meter

  test.each([
    ['an error event in a 200', 'error-event-after=12', 'Sandbox-Fault: error-event-after=12'],
    // What undici says of a socket that was destroyed.
    ['a stream that ends without its terminal event', 'truncate-after=12', 'terminated'],
    ['a stream that is cut', 'cut-after=12', 'terminated'],
  ])('%s raises and is not recorded: the retry runs again', async (_, fault, message) => {
    const key = drawKey()
    const wish: CallWish = { how: 'stream', text: words, key, fault: `${fault}, times=1` }
    const failed = await startCall(subject, wish).end
    expect(failed).toMatchObject({ kind: 'failed', message: expect.stringContaining(message) })
    expect(failed.exchanges).toHaveLength(1)
    expect(failed.text).toMatch(/^Run 1: you said: w0 .*w\d $/)
    const retry = await startCall(subject, wish).end
    expect(retry).toMatchObject({ kind: 'answered', text: `Run 2: you said: ${words}` })
    expect(outcomesOf(retry)).toEqual(['executed'])
    expect(outcomesOf(await startCall(subject, wish).end)).toEqual(['replayed'])
    expect(await runs(key)).toBe(2)
  })

  test(`control: without a gateway, a stream without its terminal event: the SDK ${subject.onTruncated}`, async () => {
    const wish: CallWish = { how: 'stream', text: words, fault: 'truncate-after=12', direct: true }
    const end = await startCall(subject, wish).end
    expect(end.kind).toBe(subject.onTruncated === 'raises' ? 'failed' : 'answered')
    expect(end.text).toMatch(/^Run 1: you said: w0 .*w\d $/)
  })
}

function proveRetries(subject: Subject): void {
  const { runs } = subject.stage.sandbox.meter
  // The second attempt comes after 0.4 s or more.
  const slow = { fault: 'delay=800ms', timeoutMs: 400 }

  if (subject.afterTimeout === 'retries') {
    test('a client that times out and retries gets the one run that it paid for; without a gateway it pays for each', async () => {
      const [key, directKey] = [drawKey(), drawKey()]
      const retrying = startCall(subject, { ...slow, key, retries: 3 })
      const direct = startCall(subject, { ...slow, key: directKey, retries: 1, direct: true })
      const end = await retrying.end
      expect(end).toMatchObject({ kind: 'answered', text: expect.stringMatching(/^Run \d: you said: hello$/) })
      expect(end.exchanges.length).toBeGreaterThan(1)
      expect(new Set(end.exchanges.map(exchange => exchange.key))).toEqual(new Set([key]))
      expect(await runs(key)).toBe(1)
      expect((await direct.end).kind).toBe('failed')
      expect(await runs(directKey)).toBe(2)
    })
  } else {
    test('a client that times out raises; the call made again gets the one run that was paid for', async () => {
      const key = drawKey()
      const end = await startCall(subject, { ...slow, key, retries: 3 }).end
      expect(end.kind).toBe('failed')
      expect(end.exchanges).toHaveLength(1)
      expect(await textOf(startCall(subject, { ...slow, timeoutMs: 10_000, key }))).toBe('Run 1: you said: hello')
      expect(await runs(key)).toBe(1)
    })
  }

  test('a 500 is retried with the same key, and is no outcome', async () => {
    const key = drawKey()
    const end = await startCall(subject, { key, fault: 'status=500, retry-after=0, times=1', retries: 2 }).end
    expect(end).toMatchObject({ kind: 'answered', text: 'Run 1: you said: hello' })
    expect(statusesOf(end)).toEqual([500, 200])
    expect(await runs(key)).toBe(1)
  })
}

function proveRefusals(subject: Subject): void {
  const { runs } = subject.stage.sandbox.meter

  test('422 for a key with another payload is not retried, and its reason is shown', async () => {
    const key = drawKey()
    await textOf(startCall(subject, { key }))
    const end = await startCall(subject, { key, text: 'something else', retries: 2 }).end
    expect(end).toMatchObject({ kind: 'failed', status: 422 })
    // Some SDKs show nothing but the reason phrase.
    expect(end.kind === 'failed' && end.message).toContain('Idempotency-Key is already used')
    expect(statusesOf(end)).toEqual([422])
    expect(await runs(key)).toBe(1)
  })

  test(`409 for a run that is still going: the SDK ${subject.onConflict}`, async () => {
    await Promise.all(hows.map(how => proveConflict(subject, how)))
  })
}

async function proveConflict(subject: Subject, how: 'plain' | 'stream'): Promise<void> {
  const { runs } = subject.stage.sandbox.meter
  const key = drawKey()
  const first = startCall(subject, { how, key, fault: 'delay=600ms' })
  await eventually(() => runs(key)).toBe(1)
  const second = await startCall(subject, { how, key, retries: 2, headers: { 'Retrysafe-Wait': '0' } }).end
  const answer = await textOf(first)
  expect(answer).toMatch(/^Run [12]: you said: hello$/)
  if (subject.onConflict === 'retries') {
    expect(second).toMatchObject({ kind: 'answered', text: answer })
    expect(statusesOf(second)).toEqual([409, 200])
  } else {
    expect(second).toMatchObject({ kind: 'failed', status: 409 })
    expect(statusesOf(second)).toEqual([409])
  }
  expect(await runs(key)).toBe(1)
}

let keys = 0
/** A key that no other test of the file has. */
export function drawKey(): string {
  keys += 1
  return `key-${keys}`
}

/** All the text of a call that is to succeed. */
export async function textOf(call: Call): Promise<string> {
  const end = await call.end
  if (end.kind === 'failed') throw new Error(`the SDK raised: ${end.message}`)
  return end.text
}

export function outcomesOf(end: End): unknown[] {
  return end.exchanges.map(({ outcome }) => outcome)
}

export function statusesOf(end: End): unknown[] {
  return end.exchanges.map(({ status }) => status)
}

/** What came over the wire last. */
function bodyOf(end: End): string {
  return Buffer.from(end.exchanges.at(-1)?.body ?? '', 'base64').toString('latin1')
}
