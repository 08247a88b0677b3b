import { brotliCompressSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

interface Body {
  readonly type: string
  readonly body: string | Uint8Array
  readonly encoding?: string
}

function charge(key: string, { type, body, encoding }: Body, headers = {}, url = gateway.url): Promise<Answer> {
  const all = {
    Authorization: 'Bearer sk-test',
    'Idempotency-Key': key,
    'Content-Type': type,
    ...(encoding !== undefined && { 'Content-Encoding': encoding }),
    ...headers,
  }
  return ask(`${url}/effects/charge`, { headers: all, body })
}

const reused = { status: 422, code: 'KEY_REUSED', shouldRetry: 'false' }
const outcomeOf = (answer: Answer): unknown => answer.headers['retrysafe-outcome']
const detailOf = (answer: Answer): string => Reflect.get(Object(jsonOf(answer)), 'detail')

function upload(boundary: string, content = 'sound', name = 'a.wav'): Body {
  const lines = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="model"',
    '',
    'whisper-1',
    `--${boundary}`,
    `Content-Disposition: form-data; name="file"; filename="${name}"`,
    'Content-Type: audio/wav',
    '',
    content,
    `--${boundary}--`,
    '',
  ]
  return { type: `multipart/form-data; boundary=${boundary}`, body: lines.join('\r\n') }
}

describe('multipart with a new boundary at every attempt', () => {
  test('control: without a gateway each attempt runs', async () => {
    await charge('control', upload('one'), {}, sandbox.url)
    await charge('control', upload('two'), {}, sandbox.url)
    expect(await sandbox.meter.runs('control')).toBe(2)
  })

  test('a retry is replayed', async () => {
    const first = await charge('retry', upload('one'))
    const second = await charge('retry', upload('----two'))
    expect([second.text, outcomeOf(second)]).toEqual([first.text, 'replayed'])
    const quoted = await charge('retry', { ...upload('x'), type: 'Multipart/Form-Data; boundary="x"' })
    expect(outcomeOf(quoted)).toBe('replayed')
    expect(await sandbox.meter.runs('retry')).toBe(1)
  })

  test('a duplicate joins while the first still runs', async () => {
    const first = charge('joined', upload('one'), { 'Sandbox-Fault': 'delay=500ms' })
    await eventually(() => sandbox.meter.runs('joined')).toBe(1)
    const second = await charge('joined', upload('two'))
    expect([second.text, outcomeOf(second)]).toEqual([(await first).text, 'joined'])
    expect(await sandbox.meter.runs('joined')).toBe(1)
  })

  test.each<[string, Body]>([
    ['content', upload('two', 'silence')],
    ['file name', upload('two', 'sound', 'b.wav')],
    ['part more', { ...upload('two'), body: `--two\r\n\r\n\r\n${upload('two').body}` }],
  ])('another %s is another request, while it runs and after', async (what, other) => {
    const key = `other-${what.replace(' ', '-')}`
    const first = charge(key, upload('one'), { 'Sandbox-Fault': 'delay=500ms' })
    await eventually(() => sandbox.meter.runs(key)).toBe(1)
    expect(problemOf(await charge(key, other))).toEqual(reused)
    await first
    const after = await charge(key, other)
    expect(problemOf(after)).toEqual(reused)
    expect(detailOf(after)).not.toContain('as sent')
    expect(await sandbox.meter.runs(key)).toBe(1)
  })

  test('as fetch writes it: a form of its own boundary for each call', async () => {
    const call = async (content: string): Promise<unknown[]> => {
      const body = new FormData()
      body.append('model', 'whisper-1')
      body.append('file', new File([content], 'ä "1".wav', { type: 'audio/wav' }))
      const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'by-fetch' }
      const response = await fetch(`${gateway.url}/effects/charge`, { method: 'POST', headers, body })
      await response.text()
      return [response.status, response.headers.get('retrysafe-outcome')]
    }
    expect(await call('sound')).toEqual([200, 'executed'])
    expect(await call('sound')).toEqual([200, 'replayed'])
    expect(await call('other')).toEqual([422, 'refused'])
    expect(await sandbox.meter.runs('by-fetch')).toBe(1)
  })
})

describe('a body that is not what it claims to be counts by its bytes, and a refusal says why', () => {
  const parts = (boundary: string): string => `--${boundary}\r\n\r\n\r\n`
  test.each<[string, Body, Body, string]>([
    [
      'multipart without boundary',
      { ...upload('one'), type: 'multipart/form-data' },
      { ...upload('two'), type: 'multipart/form-data' },
      'multipart: the content type names no boundary',
    ],
    [
      'a part without end',
      { ...upload('one'), body: '--one\r\n\r\n1' },
      { ...upload('two'), body: '--two\r\n\r\n1' },
      'multipart: the last boundary is missing',
    ],
    [
      '100,000 parts',
      { ...upload('one'), body: `${parts('one').repeat(100_000)}--one--` },
      { ...upload('two'), body: `${parts('two').repeat(100_000)}--two--` },
      'multipart: more than 1000 parts (MAX_PARTS)',
    ],
    [
      'JSON that is none',
      { type: 'application/json', body: '{"a":' },
      { type: 'application/json', body: '{ "a":' },
      'json: a value was expected, the document ends here (byte 6)',
    ],
    [
      'gzip that is none',
      { type: 'application/json', encoding: 'gzip', body: '{}' },
      { type: 'application/json', encoding: 'gzip', body: '{ }' },
      'content-encoding: the body is not one whole gzip stream',
    ],
  ])('%s', async (what, one, other, reason) => {
    const key = what.replaceAll(/[ ,]+/g, '-')
    expect(outcomeOf(await charge(key, one))).toBe('executed')
    expect(outcomeOf(await charge(key, one))).toBe('replayed')
    const refused = await charge(key, other)
    expect(problemOf(refused)).toEqual(reused)
    expect(detailOf(refused)).toContain(`This body counts by its bytes as sent: ${reason}.`)
    expect(await sandbox.meter.runs(key)).toBe(1)
  })
})

describe('encoded bodies', () => {
  const json = '{"amount":5,"list":[1,2]}'
  const plain: Body = { type: 'application/json', body: json }
  const spelled = Buffer.from('{ "list": [1.0, 2], "amount": 5 }')

  test.each<[string, Body]>([
    ['gzip', { ...plain, encoding: 'gzip', body: gzipSync(spelled) }],
    ['x-gzip', { ...plain, encoding: 'x-gzip', body: gzipSync(spelled) }],
    ['br over gzip', { ...plain, encoding: 'gzip, br', body: brotliCompressSync(gzipSync(spelled)) }],
  ])('%s and plain are one request, whichever comes first', async (what, encoded) => {
    const key = what.replaceAll(' ', '-')
    expect(outcomeOf(await charge(key, encoded))).toBe('executed')
    expect(outcomeOf(await charge(key, plain))).toBe('replayed')
    expect(outcomeOf(await charge(`${key}-2`, plain))).toBe('executed')
    expect(outcomeOf(await charge(`${key}-2`, encoded))).toBe('replayed')
    const other = await charge(key, { ...encoded, encoding: 'gzip', body: gzipSync('{"amount":6}') })
    expect(problemOf(other)).toEqual(reused)
    expect([await sandbox.meter.runs(key), await sandbox.meter.runs(`${key}-2`)]).toEqual([1, 1])
  })

  test('a zip bomb costs no more than the bound, and counts by its bytes', async () => {
    const member = gzipSync(Buffer.alloc(33_554_432))
    const bomb = { type: 'application/json', encoding: 'gzip', body: Buffer.concat(Array<Buffer>(32).fill(member)) }
    expect(outcomeOf(await charge('bomb', bomb))).toBe('executed')
    expect(outcomeOf(await charge('bomb', bomb))).toBe('replayed')
    const refused = await charge('bomb', { ...bomb, body: Buffer.concat([bomb.body, member]) })
    expect(problemOf(refused)).toEqual(reused)
    expect(detailOf(refused)).toContain('content-encoding: more than 33554432 bytes decoded (MAX_DECODED_BYTES)')
    expect(await sandbox.meter.runs('bomb')).toBe(1)
  })
})

describe('forms, queries and headers', () => {
  test('a form in another order and spelling is the same request, with another value it is not', async () => {
    const form = (body: string): Body => ({ type: 'application/x-www-form-urlencoded', body })
    expect(outcomeOf(await charge('form', form('b=2&a=x%20y&a=1')))).toBe('executed')
    expect(outcomeOf(await charge('form', form('a=x+y&a=%31&b=2')))).toBe('replayed')
    expect(problemOf(await charge('form', form('a=1&a=x+y&b=2')))).toEqual(reused)
    expect(await sandbox.meter.runs('form')).toBe(1)
  })

  test('JSON that curl calls a form counts by its bytes: 1+1 is not 1 1', async () => {
    const curl = (body: string): Body => ({ type: 'application/x-www-form-urlencoded', body })
    expect(outcomeOf(await charge('curl', curl('{"prompt":"1+1"}')))).toBe('executed')
    expect(outcomeOf(await charge('curl', curl('{"prompt":"1+1"}')))).toBe('replayed')
    const refused = await charge('curl', curl('{"prompt":"1 1"}'))
    expect(problemOf(refused)).toEqual(reused)
    expect(detailOf(refused)).toContain(
      'form: a byte stands in it that forms spell with a percent sign; is its content type',
    )
    expect(problemOf(await charge('curl', curl('{"prompt":"%31+1"}')))).toEqual(reused)
    expect(await sandbox.meter.runs('curl')).toBe(1)
  })

  test('betas do not depend on order, spaces or lines', async () => {
    const json: Body = { type: 'application/json', body: '{}' }
    const betas = (...lines: string[]): Promise<Answer> => charge('betas', json, { 'anthropic-beta': lines })
    expect(outcomeOf(await betas('one,two'))).toBe('executed')
    expect(outcomeOf(await betas('two ,  one'))).toBe('replayed')
    expect(outcomeOf(await betas('two', 'one,two'))).toBe('replayed')
    expect(problemOf(await betas('one'))).toEqual(reused)
    expect(await sandbox.meter.runs('betas')).toBe(1)
  })

  test('a second content type is another request, and so is another method', async () => {
    const call = (headers: object): Promise<Answer> => charge('types', { type: '', body: '{}' }, headers)
    const json = 'application/json; charset=utf-8'
    expect(outcomeOf(await call({ 'Content-Type': json }))).toBe('executed')
    expect(outcomeOf(await call({ 'Content-Type': 'application/json' }))).toBe('replayed')
    expect(problemOf(await call({ 'Content-Type': [json, 'text/plain'] }))).toEqual(reused)
    expect(problemOf(await call({ 'Content-Type': json, 'X-HTTP-Method-Override': 'DELETE' }))).toEqual(reused)
    expect(await sandbox.meter.runs('types')).toBe(1)
  })

  test('a credential in the query names the tenant and not the request, also where it is spelled with percent signs', async () => {
    const call = (query: string): Promise<Answer> =>
      ask(`${gateway.url}/effects/query?${query}`, { headers: { 'Idempotency-Key': 'query' }, body: '{}' })
    expect(outcomeOf(await call('b=2&key=one&a=1'))).toBe('executed')
    expect(outcomeOf(await call('a=1&b=2&key=one'))).toBe('replayed')
    // Another credential is another tenant, and so another key.
    expect(outcomeOf(await call('b=2&k%65y=two&a=1'))).toBe('executed')
    expect(outcomeOf(await call('k%65y=two&a=1&b=2'))).toBe('replayed')
    expect(problemOf(await call('k%65y=two&a=1&b=3'))).toEqual(reused)
    expect(outcomeOf(await call('b=2&k%65y=three&a=1'))).toBe('executed')
    expect(await sandbox.meter.runs('query')).toBe(3)
  })
})
