import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { MeterReport } from '../../src/sandbox/meter.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'
import { type Format, formats } from './formats.ts'
import { call, type Exchange } from './wire.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

function struck(format: Format, fault: string): Promise<Exchange> {
  return call(sandbox.url, format, { 'Sandbox-Fault': fault })
}

async function meter(): Promise<MeterReport> {
  return (await (await fetch(`${sandbox.url}/meter`)).json()) as MeterReport
}

/** The same call as the first one of another sandbox, chunk by chunk. */
async function alone(format: Format, fault = ''): Promise<readonly string[]> {
  const other = await startSandbox({ port: 0 })
  const { pieces } = await call(other.url, format, { 'Sandbox-Fault': fault })
  await other.close()
  return pieces.map(timeless)
}

/** Without the clock, in the same length. */
function timeless(text: string): string {
  return text.replace(/"(created|created_at)":("[^"]*"|\d+)/g, time => time.replace(/\d/g, '0'))
}

const streams = formats.filter(format => format.chunks !== undefined)
const plains = formats.filter(format => format.chunks === undefined)

describe.each(formats)('$name', format => {
  test('without a fault: whole, of its own type, and one paid run', async () => {
    const answer = await struck(format, '')
    expect([answer.end, answer.status, answer.headers['content-type']]).toEqual(['whole', 200, format.type])
    expect(await meter()).toMatchObject({ runs: 1, received: 1, tokens: { input: 1 } })
  })

  test("status: the provider's own error, nothing paid", async () => {
    const answer = await struck(format, 'status=503, retry-after=7')
    expect([answer.status, answer.headers['retry-after'], answer.text]).toEqual([503, '7', format.unavailable])
    expect(await meter()).toMatchObject({ runs: 0, failed: 1 })
  })

  test('error-event-after=2: a 200 that says that it failed, a clean end, and paid', async () => {
    const answer = await struck(format, 'error-event-after=2')
    const before = format.chunks === undefined ? [] : (await alone(format)).slice(0, 2)
    expect([answer.end, answer.status]).toEqual(['whole', 200])
    expect(timeless(answer.text)).toBe(before.join('') + format.failure)
    expect(await meter()).toMatchObject({ runs: 1, failed: 0 })
  })

  test('cut-before-head: no answer, and paid', async () => {
    expect((await struck(format, 'cut-before-head')).end).toBe('no answer')
    expect(await meter()).toMatchObject({ runs: 1 })
  })

  test('encode=gzip: the same, encoded', async () => {
    const answer = await struck(format, 'encode=gzip')
    expect([answer.end, answer.headers['content-encoding']]).toEqual(['whole', 'gzip'])
    const text = gunzipSync(Buffer.from(answer.text, 'latin1')).toString()
    expect(timeless(text)).toBe((await alone(format)).join(''))
  })

  test('hang, and hang after three pieces: paid, the socket stays', async () => {
    const silent = { ended: 0, seen: '' }
    const end = (): void => {
      silent.ended += 1
    }
    const hung = [
      call(sandbox.url, format, { 'Sandbox-Fault': 'hang' }).finally(end),
      call(sandbox.url, format, { 'Sandbox-Fault': 'hang, cut-after=3' }, text => {
        silent.seen = text
      }).finally(end),
    ]
    const start = format.chunks === undefined ? undefined : (await alone(format)).slice(0, 3).join('')
    const size = (): number => timeless(silent.seen).length
    const wanted = start?.length ?? 3
    while (size() < wanted || (await meter()).runs < 2) await new Promise(setImmediate)
    expect(silent.ended).toBe(0)
    expect(size()).toBe(wanted)
    await sandbox.close()
    expect((await Promise.all(hung)).map(({ end }) => end)).toEqual(['no answer', 'cut'])
  })
})

describe.each(streams)('$name', format => {
  const { chunks = 0 } = format

  test('each chunk of the stream is a chunk of HTTP', async () => {
    expect((await struck(format, 'gap=2ms')).pieces).toHaveLength(chunks)
  })

  test('cut-after=2: two whole chunks, then the socket is destroyed', async () => {
    const answer = await struck(format, 'cut-after=2')
    expect(answer.end).toBe('cut')
    expect(timeless(answer.text)).toBe((await alone(format)).slice(0, 2).join(''))
  })

  test('truncate-after: a clean end without the terminal chunk; after the last chunk nothing is missing', async () => {
    const whole = await alone(format)
    const answer = await struck(format, `truncate-after=${chunks - 1}`)
    expect([answer.end, answer.headers['transfer-encoding']]).toEqual(['whole', 'chunked'])
    expect(timeless(answer.text)).toBe(whole.slice(0, -1).join(''))
    expect(await alone(format, `truncate-after=${chunks}`)).toEqual(whole)
  })

  test('error-event-after=0 is the first chunk; past the last chunk it does not strike', async () => {
    const first = await struck(format, 'error-event-after=0')
    expect(first.end).toBe('whole')
    expect(first.text).toContain('Sandbox-Fault: error-event-after=0')
    expect(first.text).not.toContain('Run')
    const last = await struck(format, `error-event-after=${chunks + 1}`)
    expect(last.text).not.toContain('Sandbox-Fault')
  })
})

describe.each(plains)('$name', format => {
  test('cut-after=2: two bytes of the length announced', async () => {
    const whole = (await alone(format)).join('')
    const answer = await struck(format, 'cut-after=2')
    expect([answer.end, answer.headers['content-length'], answer.text]).toEqual([
      'cut',
      String(whole.length),
      whole.slice(0, 2),
    ])
  })

  test('truncate-after=2: two bytes, framed as if they were all; past the end nothing is missing', async () => {
    const answer = await struck(format, 'truncate-after=2')
    expect([answer.end, answer.headers['content-length'], answer.headers['transfer-encoding']]).toEqual([
      'whole',
      undefined,
      'chunked',
    ])
    expect(answer.text).toBe((await alone(format)).join('').slice(0, 2))
    const whole = await struck(format, 'truncate-after=99999')
    expect(whole.headers['content-length']).toBe(String(whole.text.length))
  })
})

test('slow: a byte at a time', async () => {
  const begunMs = performance.now()
  const answer = await call(sandbox.url, { path: '/effects/charge', body: '' }, { 'Sandbox-Fault': 'slow=5ms' })
  expect(answer.text).toBe('{"effect":"charge","run":1,"count":1}')
  expect(answer.pieces.length).toBeGreaterThan(30)
  expect(performance.now() - begunMs).toBeGreaterThanOrEqual(37 * 4)
})

test('an error event may be the last thing before a cut', async () => {
  const [, stream] = formats
  if (stream === undefined) throw new Error('there is no stream')
  const answer = await struck(stream, 'error-event-after=2, cut-after=3')
  expect(answer.end).toBe('cut')
  expect(answer.text.endsWith(stream.failure)).toBe(true)
})
