import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { always, type Play, pieces } from '../script.ts'
import { type Case, type Control, refusal, told } from '../trial.ts'

/** Says which run it is. */
export const counted: Play = ({ count }) => ({ kind: 'json', value: { run: count } })

/** Without us, a repeat is a second run. */
const runsTwice: Control = async t => {
  const stand = await t.bare(counted)
  expect((await stand.post()).text).toBe('{"run":1}')
  expect((await stand.post()).text).toBe('{"run":2}')
  expect(stand.calls.length).toBe(2)
}

export const asFirstRow = 'as in the first row: without us a repeat is a second run'

/** For a client that decodes what it gets. */
const asked = (key: string): RequestInit => ({
  method: 'POST',
  body: '{"a":1}',
  headers: { 'Idempotency-Key': key, Authorization: 'Bearer alice', 'Content-Type': 'application/json' },
})

/** First call and replay, whatever is sent. */
export const replayCases: readonly Case[] = [
  {
    name: 'the first call runs, the second gets the same bytes',
    smoke: true,
    async run(t) {
      const stand = await t.open(({ count }) => ({
        kind: 'json',
        status: 201,
        headers: [['X-Run', String(count)]],
        value: { run: count, body: 'ü' },
      }))
      const first = await stand.post()
      expect(told(first)).toEqual([201, 'executed', '{"run":1,"body":"ü"}'])
      expect(first.headers['idempotent-replayed']).toBeUndefined()
      expect(first.headers.age).toBeUndefined()
      const second = await stand.post()
      expect(told(second)).toEqual([201, 'replayed', '{"run":1,"body":"ü"}'])
      expect(second.headers['idempotent-replayed']).toBe('true')
      expect(['0', '1']).toContain(second.headers.age)
      expect(second.headers['x-run']).toBe('1')
      expect(second.headers['content-type']).toBe(first.headers['content-type'])
      expect(second.headers['content-length']).toBe('21')
      expect(stand.calls.length).toBe(1)
    },
    control: runsTwice,
  },
  {
    name: 'another key is another call',
    control: 'two keys are two runs without us, too',
    async run(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post({ key: `${t.key}-other` }))).toEqual([200, 'executed', '{"run":2}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":1}'])
    },
  },
  {
    name: 'the handler finds the whole body',
    control: asFirstRow,
    smoke: true,
    async run(t) {
      const stand = await t.open(({ body }) => ({ kind: 'whole', body: `${body.length}` }))
      const body = JSON.stringify({ text: 'x'.repeat(1_048_576) })
      expect(told(await stand.post({ body }))).toEqual([200, 'executed', '1048587'])
      expect(told(await stand.post({ body }))).toEqual([200, 'replayed', '1048587'])
      expect(stand.calls.map(call => call.body === body)).toEqual([true])
    },
  },
  {
    name: 'an answer of 3 MiB comes whole, both times',
    control: asFirstRow,
    async run(t) {
      const bytes = randomBytes(3_145_728)
      const stand = await t.open(
        always({ kind: 'whole', body: bytes, headers: [['Content-Type', 'application/octet-stream']] }),
      )
      const [first, second] = [await stand.post(), await stand.post()]
      expect([first.status, first.headers['retrysafe-outcome'], first.body.equals(bytes)]).toEqual([
        200,
        'executed',
        true,
      ])
      expect([second.status, second.headers['retrysafe-outcome'], second.body.equals(bytes)]).toEqual([
        200,
        'replayed',
        true,
      ])
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'binary stays binary',
    control: 'trap 16 shows it on the naive one',
    smoke: true,
    async run(t) {
      const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
      const stand = await t.open(always({ kind: 'whole', body: bytes, headers: [['Content-Type', 'image/png']] }))
      for (const outcome of ['executed', 'replayed']) {
        const answer = await stand.post()
        expect(answer.headers['retrysafe-outcome']).toBe(outcome)
        expect(answer.headers['content-type']).toBe('image/png')
        expect([...answer.body]).toEqual([...bytes])
      }
    },
  },
  {
    name: 'an answer without a body is replayed as such',
    control: 'trap 14 shows it on the naive one',
    async run(t) {
      const stand = await t.open(always({ kind: 'empty', status: 204, headers: [['X-Kind', 'none']] }))
      for (const outcome of ['executed', 'replayed']) {
        const answer = await stand.post()
        expect(told(answer)).toEqual([204, outcome, ''])
        expect(answer.headers['x-kind']).toBe('none')
        expect(answer.headers['content-length']).toBeUndefined()
      }
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'an empty body with 200 is a result too',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(always({ kind: 'whole', body: '' }))
      expect(told(await stand.post())).toEqual([200, 'executed', ''])
      expect(told(await stand.post())).toEqual([200, 'replayed', ''])
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'cookies, rate limits, CORS and dates are the first caller’s alone',
    control: 'trap 16 shows it on the naive one',
    async run(t) {
      const stand = await t.open(
        always({
          kind: 'json',
          value: 1,
          headers: [
            ['Set-Cookie', 'session=1'],
            ['Set-Cookie', 'theme=dark'],
            ['X-RateLimit-Remaining', '7'],
            ['RateLimit', '"default";r=7'],
            ['Access-Control-Allow-Origin', 'https://a.example'],
            ['Retry-After', '3'],
            ['Server-Timing', 'db;dur=5'],
            ['ETag', '"v1"'],
          ],
        }),
      )
      const first = await stand.post()
      expect(first.headers['set-cookie']).toEqual(['session=1', 'theme=dark'])
      expect(first.headers['x-ratelimit-remaining']).toBe('7')
      expect(first.headers['access-control-allow-origin']).toBe('https://a.example')
      expect(first.headers.etag).toBe('"v1"')
      const { headers } = await stand.post()
      expect(headers['retrysafe-outcome']).toBe('replayed')
      expect(headers.etag).toBe('"v1"')
      for (const name of [
        'set-cookie',
        'x-ratelimit-remaining',
        'ratelimit',
        'access-control-allow-origin',
        'retry-after',
        'server-timing',
      ]) {
        expect([name, headers[name]]).toEqual([name, undefined])
      }
    },
  },
  {
    name: 'what the handler says in our name is dropped',
    control: async t => {
      const stand = await t.bare(always({ kind: 'empty', headers: [['Retrysafe-Outcome', 'joined']] }))
      expect((await stand.post()).headers['retrysafe-outcome']).toBe('joined')
    },
    async run(t) {
      const stand = await t.open(
        always({
          kind: 'json',
          value: 1,
          headers: [
            ['Idempotent-Replayed', 'true'],
            ['Retrysafe-Outcome', 'joined'],
            ['Age', '999'],
          ],
        }),
      )
      const first = await stand.post()
      expect(first.headers['idempotent-replayed']).toBeUndefined()
      expect(first.headers['retrysafe-outcome']).toBe('executed')
      expect(first.headers.age).toBeUndefined()
      const second = await stand.post()
      expect(second.headers['retrysafe-outcome']).toBe('replayed')
      expect(['0', '1']).toContain(second.headers.age)
    },
  },
  {
    name: 'headers of outer middleware are set anew for a replay, once',
    control: 'a naive replay shows the recorded ones: trap 16',
    async run(t) {
      let count = 0
      const stand = await t.open(counted, {}, { outerHeader: () => ['X-Request-Id', String(++count)] })
      expect((await stand.post()).headers['x-request-id']).toBe('1')
      expect((await stand.post()).headers['x-request-id']).toBe('2')
      expect((await stand.post({ body: '{"a":2}' })).headers['x-request-id']).toBe('3')
      expect(stand.calls.length).toBe(1)
    },
    skip: { gateway: 'it has no middleware before it' },
  },
  {
    name: 'what the handler has compressed can be read, both times',
    control: 'trap 16 shows it on the naive one',
    async run(t) {
      const headers = [['Content-Encoding', 'gzip']] as const
      const stand = await t.open(always({ kind: 'whole', body: gzipSync('packed'), headers }))
      for (const outcome of ['executed', 'replayed']) {
        const response = await fetch(stand.url, asked(t.key))
        const { status, headers: given } = response
        expect([status, given.get('retrysafe-outcome'), await response.text()]).toEqual([200, outcome, 'packed'])
      }
    },
  },
  {
    name: 'requests that follow each other on one connection are kept apart',
    control: 'it is about our framing',
    async run(t) {
      const stand = await t.open(({ count, body }) => {
        if (body === '{"none":1}') return { kind: 'empty', status: 204 }
        return { kind: 'stream', pieces: pieces('run ', String(count)) }
      })
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const post = (key: string, body: string) => stand.post({ key: `${t.key}-${key}`, body, agent })
      for (const outcome of ['executed', 'replayed']) {
        expect(told(await post('stream', '{"a":1}'))).toEqual([200, outcome, 'run 1'])
        expect(told(await post('none', '{"none":1}'))).toEqual([204, outcome, ''])
        expect((await post('stream', '{"a":2}')).status).toBe(422)
        expect((await post('not a key', '{"a":1}')).status).toBe(400)
      }
      expect(stand.calls.length).toBe(2)
      if (t.adapter !== 'gateway') expect(stand.closedConnections()).toBe(0)
      agent.destroy()
    },
  },
  {
    name: 'after its retention a key is free',
    control: 'trap 12 shows it on the naive one',
    async run(t) {
      const stand = await t.open(counted, { retentionMs: 1_000 })
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":1}'])
      await expect
        .poll(async () => told(await stand.post()), { timeout: 10_000, interval: 100 })
        .toEqual([200, 'executed', '{"run":2}'])
    },
  },
  {
    name: 'Retrysafe-Retention: a shorter one counts, and what cannot be read is refused',
    control: 'a key without the header is kept beside it',
    async run(t) {
      const stand = await t.open(counted, { retentionMs: 3_600_000 })
      const ask = (key: string, retention: string | undefined) =>
        stand.post({
          key: `${t.key}-${key}`,
          headers: retention === undefined ? {} : { 'Retrysafe-Retention': retention },
        })
      for (const wrong of ['soon', '0', '500ms', '-1', '']) {
        expect(refusal(await ask('wrong', wrong))).toEqual([400, 'REQUEST_INVALID', 'false'])
      }
      expect(stand.calls.length).toBe(0)
      expect(told(await ask('kept', undefined))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await ask('shorter', '1'))).toEqual([200, 'executed', '{"run":2}'])
      await expect
        .poll(async () => told(await ask('shorter', '1s')), { timeout: 10_000, interval: 100 })
        .toEqual([200, 'executed', '{"run":3}'])
      expect(told(await ask('kept', '1s'))).toEqual([200, 'replayed', '{"run":1}'])
    },
  },
]
