import OpenAI, { toFile } from 'openai'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

const model = 'gpt-4o-transcribe'

function sdk(fault = ''): OpenAI {
  const defaultHeaders = { 'Sandbox-Fault': fault }
  return new OpenAI({ baseURL: `${sandbox.url}/v1`, apiKey: 'no-key-needed', maxRetries: 0, defaultHeaders })
}

function post(body: string | FormData, type?: string): Promise<Response> {
  const headers: Record<string, string> = type === undefined ? {} : { 'Content-Type': type }
  return fetch(`${sandbox.url}/v1/audio/transcriptions`, { method: 'POST', body, headers })
}

function formOf(fields: Readonly<Record<string, string>>, speech: string | Uint8Array = 'hi'): FormData {
  const form = new FormData()
  form.set('file', new Blob([speech]), 'speech.mp3')
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  return form
}

test('json, byte for byte', async () => {
  const response = await post(formOf({ model, prompt: 'two words' }))
  expect(response.headers.get('x-request-id')).toBe('req-sandbox-1')
  expect(await response.text()).toBe(
    '{"text":"Run 1: you said: hi","usage":{"type":"tokens","input_tokens":3,' +
      '"input_token_details":{"text_tokens":2,"audio_tokens":1},"output_tokens":5,"total_tokens":8}}',
  )
  expect(await (await post(formOf({ model: 'whisper-1' }))).text()).toBe(
    '{"text":"Run 2: you said: hi","usage":{"type":"duration","seconds":5}}',
  )
})

test.each([
  ['text', 'Run 1: you said: hi\n'],
  ['srt', '1\n00:00:00,000 --> 00:00:05,000\nRun 1: you said: hi\n\n'],
  ['vtt', 'WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nRun 1: you said: hi\n\n'],
])('%s', async (format, text) => {
  const response = await post(formOf({ model, response_format: format }))
  expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(await response.text()).toBe(text)
})

test('verbose_json has one segment', async () => {
  expect(await (await post(formOf({ model, response_format: 'verbose_json' }))).text()).toBe(
    '{"task":"transcribe","language":"english","duration":5,"text":"Run 1: you said: hi","segments":[{"id":0,"seek":0,' +
      '"start":0,"end":5,"text":"Run 1: you said: hi","tokens":[],"temperature":0,"avg_logprob":0,"compression_ratio":1,' +
      '"no_speech_prob":0}],"usage":{"type":"duration","seconds":5}}',
  )
})

test('a stream is a delta per word and the whole, byte for byte; whisper-1 does not stream', async () => {
  const delta = (text: string): string => `data: {"type":"transcript.text.delta","delta":"${text}"}\n\n`
  expect(await (await post(formOf({ model, stream: 'true' }))).text()).toBe(
    `${['Run ', '1: ', 'you ', 'said: ', 'hi'].map(delta).join('')}` +
      'data: {"type":"transcript.text.done","text":"Run 1: you said: hi","usage":{"type":"tokens","input_tokens":1,' +
      '"input_token_details":{"text_tokens":0,"audio_tokens":1},"output_tokens":5,"total_tokens":6}}\n\n',
  )
  const response = await post(formOf({ model: 'whisper-1', stream: 'true' }))
  expect(response.headers.get('content-type')).toBe('application/json')
})

test('the SDK reads both forms, and raises on an error in the stream', async () => {
  const file = await toFile(Buffer.from('hello there'), 'speech.mp3')
  const plain = await sdk().audio.transcriptions.create({ file, model })
  expect(plain.text).toBe('Run 1: you said: hello there')
  const types: string[] = []
  const reading = async (fault: string): Promise<void> => {
    for await (const event of await sdk(fault).audio.transcriptions.create({ file, model, stream: true })) {
      types.push(event.type)
    }
  }
  await reading('')
  expect([types.length, types.at(-1)]).toEqual([7, 'transcript.text.done'])
  await expect(reading('error-event-after=1')).rejects.toThrow('Sandbox-Fault: error-event-after=1')
})

test('other bytes are other words, also where they are no text', async () => {
  const said = async (bytes: number[]): Promise<string> =>
    (await post(formOf({ model, response_format: 'text' }, new Uint8Array(bytes)))).text()
  expect(await said([0xff, 0xfe, 0xfd])).toBe('Run 1: you said: 3 bytes 8ca9f8c2\n')
  expect(await said([0xff, 0xfe, 0xfc])).toBe('Run 2: you said: 3 bytes 1a9d8286\n')
})

test.each(['b', 'x'.repeat(70), "'()+_,-./:=?"])(
  'the boundary %s is taken, with parts that hold it in their text',
  async boundary => {
    const body =
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n--${boundary} hi --${boundary}` +
      `\r\n--${boundary}--\r\n`
    const response = await post(body, `multipart/form-data; boundary="${boundary}"`)
    expect(await response.json()).toMatchObject({ text: `Run 1: you said: --${boundary} hi --${boundary}` })
  },
)

const whole = 'The body of the request is no whole multipart form.'
const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhi'

test.each([
  ['no boundary', 'multipart/form-data', `${part}\r\n--b--\r\n`, whole, null],
  ['JSON', 'application/json', '{}', whole, null],
  ['no end', 'multipart/form-data; boundary=b', part, whole, null],
  ['another boundary', 'multipart/form-data; boundary=c', `${part}\r\n--b--\r\n`, whole, null],
  ['a part without a head', 'multipart/form-data; boundary=b', '--b\r\nhi\r\n--b--\r\n', whole, null],
  [
    'a field in place of the file',
    'multipart/form-data; boundary=b',
    `${part.replace('; filename="a"', '')}\r\n--b--\r\n`,
    "'file' must be a file.",
    'file',
  ],
  [
    'an unknown format',
    'multipart/form-data; boundary=b',
    `${part}\r\n--b\r\nContent-Disposition: form-data; name="response_format"\r\n\r\nxml\r\n--b--\r\n`,
    "'response_format' must be one of json, text, srt, vtt, verbose_json.",
    'response_format',
  ],
])('%s is a 400', async (_what, type, body, message, param) => {
  const response = await post(body, type)
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({ error: { message, type: 'invalid_request_error', param, code: null } })
})
