import { expect, onTestFinished } from 'vitest'
import { gate } from '../script.ts'
import { type Case, refusal, told } from '../trial.ts'
import { asFirstRow, counted } from './replay.ts'

/** One file and one field, as an SDK sends them, behind its own boundary. */
function formWith(boundary: string, field: string): { headers: Record<string, string>; body: string } {
  const parts = [
    `Content-Disposition: form-data; name="model"\r\n\r\n${field}`,
    'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF',
  ]
  const body = `${parts.map(part => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`
  return { headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` }, body }
}

/** What is the same request, and what is not. */
export const payloadCases: readonly Case[] = [
  {
    name: 'the same key with another payload is a 422',
    control: 'trap 17 shows the stale answer of the naive one',
    smoke: true,
    async run(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
      const other = await stand.post({ body: '{"a":2}' })
      expect(refusal(other)).toEqual([422, 'KEY_REUSED', 'false'])
      expect(other.headers['content-type']).toBe('application/problem+json')
      expect(other.headers['retrysafe-outcome']).toBe('refused')
      expect(refusal(await stand.post({ path: '/other' }))).toEqual([422, 'KEY_REUSED', 'false'])
      expect(refusal(await stand.post({ path: '/?q=1' }))).toEqual([422, 'KEY_REUSED', 'false'])
      expect(refusal(await stand.post({ method: 'PATCH' }))).toEqual([422, 'KEY_REUSED', 'false'])
      expect(stand.calls.length).toBe(1)
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":1}'])
    },
  },
  {
    name: 'another payload is a 422 at once, also while the first one runs',
    control: 'trap 18 shows it on the naive one',
    async run(t) {
      const door = gate()
      const stand = await t.open(async call => {
        await door.opened
        return counted(call)
      })
      const first = stand.post()
      await expect.poll(() => stand.calls.length).toBe(1)
      expect(refusal(await stand.post({ body: '{"a":2}' }))).toEqual([422, 'KEY_REUSED', 'false'])
      door.open()
      expect(told(await first)).toEqual([200, 'executed', '{"run":1}'])
    },
  },
  {
    name: 'JSON that is spelled otherwise is the same payload; a number beyond 2^53 is not its neighbour',
    control: 'trap 17 shows it on the naive one',
    async run(t) {
      const stand = await t.open(counted)
      const ask = (body: string) => stand.post({ body })
      expect(told(await ask('{"a":1,"b":[1.0,"é"]}'))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await ask('{ "b" : [1, "\\u00e9"], "a": 1e0 }'))).toEqual([200, 'replayed', '{"run":1}'])
      const large = (body: string) => stand.post({ key: `${t.key}-large`, body })
      expect(told(await large('{"id":9007199254740993}'))).toEqual([200, 'executed', '{"run":2}'])
      expect(refusal(await large('{"id":9007199254740992}'))).toEqual([422, 'KEY_REUSED', 'false'])
    },
  },
  {
    name: 'multipart behind a new boundary is the same payload; with another field it is not',
    control: 'compared byte for byte, as in trap 17, two boundaries are two payloads',
    async run(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post(formWith('one', 'whisper')))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post(formWith('two', 'whisper')))).toEqual([200, 'replayed', '{"run":1}'])
      expect(refusal(await stand.post(formWith('two', 'gpt')))).toEqual([422, 'KEY_REUSED', 'false'])
    },
  },
  {
    name: 'volatile headers make no other request; the version of the API does',
    control: 'trap 17 is the same on the body',
    async run(t) {
      const stand = await t.open(counted)
      const ask = (headers: Record<string, string>) => stand.post({ headers })
      const version = { 'Anthropic-Version': '2023-06-01' }
      expect(told(await ask({ ...version, 'User-Agent': 'a', Traceparent: '1' }))).toEqual([
        200,
        'executed',
        '{"run":1}',
      ])
      expect(told(await ask({ ...version, 'User-Agent': 'b', Traceparent: '2' }))).toEqual([
        200,
        'replayed',
        '{"run":1}',
      ])
      expect(refusal(await ask({ 'Anthropic-Version': '2024-10-22' }))).toEqual([422, 'KEY_REUSED', 'false'])
    },
  },
  {
    name: 'leaveOut: members that make no other request',
    async run(t) {
      const stand = await t.open(counted, { leaveOut: ['/trace'] })
      expect(told(await stand.post({ body: '{"a":1,"trace":"x"}' }))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post({ body: '{"a":1,"trace":"y"}' }))).toEqual([200, 'replayed', '{"run":1}'])
      expect(told(await stand.post({ body: '{"a":1}' }))).toEqual([200, 'replayed', '{"run":1}'])
      expect(refusal(await stand.post({ body: '{"a":2,"trace":"x"}' }))).toEqual([422, 'KEY_REUSED', 'false'])
    },
    async control(t) {
      const stand = await t.open(counted)
      await stand.post({ body: '{"a":1,"trace":"x"}' })
      expect((await stand.post({ body: '{"a":1,"trace":"y"}' })).status).toBe(422)
    },
  },
  {
    name: 'a body over maxRequestBytes is a 413, and no run',
    control: async t => {
      const stand = await t.bare(counted)
      expect((await stand.post({ body: JSON.stringify({ text: 'x'.repeat(2_000) }) })).status).toBe(200)
    },
    async run(t) {
      const stand = await t.open(counted, { maxRequestBytes: 1_000 })
      const body = JSON.stringify({ text: 'x'.repeat(2_000) })
      const answer = await stand.post({ body })
      expect(refusal(answer)).toEqual([413, 'BODY_TOO_LARGE', 'false'])
      const detail = `2011 bytes > 1000 (${t.adapter === 'gateway' ? '--max-request' : 'maxRequestBytes'}).`
      expect(JSON.parse(answer.text).detail).toBe(detail)
      expect(refusal(await stand.post({ body, headers: { 'Transfer-Encoding': 'chunked' } }))).toEqual([
        413,
        'BODY_TOO_LARGE',
        'false',
      ])
      expect(stand.calls.length).toBe(0)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
    },
  },
  {
    name: 'a parser before us: its value is compared, and a warning says once how to keep the bytes',
    control: asFirstRow,
    async run(t) {
      const warnings: string[] = []
      const listen = (warning: Error): void => void warnings.push(`${warning.name}: ${warning.message}`)
      process.on('warning', listen)
      onTestFinished(() => void process.off('warning', listen))
      const stand = await t.open(counted, {}, { parsedBefore: true })
      expect(told(await stand.post({ body: '{"a":1,"b":2}' }))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post({ body: '{ "b":2, "a":1.0 }' }))).toEqual([200, 'replayed', '{"run":1}'])
      expect(refusal(await stand.post({ body: '{"a":2,"b":2}' }))).toEqual([422, 'KEY_REUSED', 'false'])
      expect(stand.calls[0]?.body).toBe('{"a":1,"b":2}')
      const ours = () => warnings.filter(each => each.startsWith('RetrysafeWarning: '))
      await expect.poll(() => ours().length).toBe(1)
      expect(ours()[0]).toContain('mount idempotency() before the parser, or keep the bytes')
    },
    skip: {
      fetch: 'a Fetch request has no parsers',
      node: 'node:http has no parsers',
      fastify: 'its plugin reads the bytes before the parsers',
      hono: 'it keeps what a parser has read',
      gateway: 'nothing stands before it',
    },
  },
]
