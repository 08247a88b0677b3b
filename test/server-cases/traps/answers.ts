import type { ServerResponse } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { followArrivals } from '../../support/arrivals.ts'
import { eventually } from '../../support/eventually.ts'
import { gate } from '../script.ts'

import { counting, passBy, postAll, race, shown, type Trap } from './trap.ts'

/** What is replayed, and to whom: 14 to 24. */
export const answerTraps: readonly Trap[] = [
  {
    number: 14,
    name: 'an empty body is taken for no result',
    async scenario(open) {
      let runs = 0
      const stand = await open(async (_request, response) => {
        runs += 1
        response.writeHead(204).end()
      })
      return [await postAll(stand, {}, {}), runs]
    },
    ours: [['204 ', '204 '], 1],
    naive: [['204 ', '204 '], 2],
  },
  {
    number: 15,
    name: 'an index by body alone gives one user the other’s answer',
    variant: { index: 'body' },
    async scenario(open) {
      const stand = await open(async (request, response) => void response.end(`for ${request.headers.authorization}`))
      return postAll(stand, {}, { credential: 'bob', key: 'of-bob' })
    },
    ours: ['200 for Bearer alice', '200 for Bearer bob'],
    naive: ['200 for Bearer alice', '200 for Bearer alice'],
  },
  {
    number: 16,
    name: 'a stream is held back until it has ended',
    async scenario(open) {
      let out: ServerResponse | undefined
      const stand = await open((_request, response) => {
        out = response.writeHead(200, { 'Content-Type': 'text/event-stream' })
        response.write('data: 1\n\n')
        return Promise.resolve()
      })
      let seen = ''
      const first = stand.begin().then(async response => {
        await followArrivals(response).until('data: 1')
        seen = 'before its end'
      })
      await eventually(() => out !== undefined).toBe(true)
      await passBy(stand)
      const word = seen === '' ? 'after its end' : seen
      out?.end()
      await first
      return word
    },
    ours: 'before its end',
    naive: 'after its end',
  },
  {
    number: 16,
    name: 'binary goes through text',
    async scenario(open) {
      const stand = await open(async (_request, response) => void response.end(Buffer.from([0xff, 0x00, 0xfe])))
      await stand.post()
      return [...(await stand.post()).body]
    },
    ours: [0xff, 0x00, 0xfe],
    naive: [0xef, 0xbf, 0xbd, 0x00, 0xef, 0xbf, 0xbd],
  },
  {
    number: 16,
    name: 'Content-Encoding stays, and its body is no longer so encoded; cookies go to others',
    async scenario(open) {
      const stand = await open(async (_request, response) => {
        const headers = { 'Content-Encoding': 'gzip', 'Set-Cookie': 'session=alice' }
        response.writeHead(200, headers).end(gzipSync('packed'))
      })
      await stand.post()
      const { headers, body } = await stand.post()
      const isGzip = headers['content-encoding'] === 'gzip'
      try {
        return [(isGzip ? gunzipSync(body) : body).toString(), headers['set-cookie']]
      } catch {
        return ['unreadable', headers['set-cookie']]
      }
    },
    ours: ['packed', undefined],
    naive: ['unreadable', ['session=alice']],
  },
  {
    number: 17,
    name: 'JSON that is spelled otherwise counts as another payload',
    variant: { fingerprint: 'bytes' },
    async scenario(open) {
      const stand = await open(counting().handle)
      return postAll(stand, { body: '{"a":1,"b":2}' }, { body: '{"b":2, "a":1.0}' })
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['200 run 1', '422 refused'],
  },
  {
    number: 17,
    name: 'another model is no other payload: a stale answer',
    async scenario(open) {
      const stand = await open(counting().handle)
      return postAll(stand, { body: '{"model":"small"}' }, { body: '{"model":"large"}' })
    },
    ours: ['200 run 1', '422 KEY_REUSED'],
    naive: ['200 run 1', '200 run 1'],
  },
  {
    number: 18,
    name: 'while the first one runs, another payload is told to come again',
    variant: { marker: 'refuses', fingerprint: 'bytes' },
    scenario: open => race(open, { body: '{"a":2}' }),
    ours: ['200 run 1', '422 KEY_REUSED', '409 IN_FLIGHT'],
    naive: ['200 run 1', '409 refused', '409 refused'],
  },
  {
    number: 19,
    name: 'quoted and bare are two keys',
    async scenario(open) {
      return postAll(await open(counting().handle), { key: 'k-19' }, { key: '"k-19"' })
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['200 run 1', '200 run 2'],
  },
  {
    number: 19,
    name: 'a delimiter in a composite key makes two tenants one',
    variant: { index: 'tenant:key' },
    options: { tenant: read => read('x-user') },
    async scenario(open) {
      const ask = (user: string, key: string) => ({ key, headers: { 'X-User': user } })
      return postAll(await open(counting().handle), ask('a', 'b:c'), ask('a:b', 'c'))
    },
    ours: ['200 run 1', '200 run 2'],
    naive: ['200 run 1', '200 run 1'],
  },
  {
    number: 20,
    name: 'the caller’s clock says that a record is over',
    variant: { clock: 'the caller’s' },
    async scenario(open) {
      const at = (date: string) => ({ headers: { Date: date } })
      const days = [at('Mon, 23 Nov 2026 00:00:00 GMT'), at('Wed, 25 Nov 2026 00:00:00 GMT')]
      return postAll(await open(counting().handle), ...days)
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['200 run 1', '200 run 2'],
  },
  {
    number: 22,
    name: 'who waits inherits another caller’s error',
    variant: { joins: 'promise' },
    async scenario(open) {
      const door = gate()
      let runs = 0
      const stand = await open(async (_request, response) => {
        runs += 1
        if (runs > 1) return void response.end('mine')
        await door.opened
        response.writeHead(500, { 'Retry-After': '0' }).end('no')
      })
      const first = stand.post()
      await eventually(() => runs).toBe(1)
      const second = stand.post()
      await passBy(stand)
      door.open()
      expect((await first).status).toBe(500)
      return shown(await second)
    },
    ours: '200 mine',
    naive: '500 no',
  },
  {
    number: 23,
    name: 'a stranger who knows the key gets the answer',
    async scenario(open) {
      return postAll(await open(counting().handle), {}, { credential: 'mallory' })
    },
    ours: ['200 run 1', '200 run 2'],
    naive: ['200 run 1', '200 run 1'],
  },
  {
    number: 24,
    name: 'the configuration of a second wrapper becomes the first one’s',
    async scenario(open) {
      const stand = await open(counting().handle, 'first')
      const before = await postAll(stand, {})
      await open(counting().handle, 'second')
      return [...before, ...(await postAll(stand, {}))]
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['200 run 1', '200 run 2'],
  },
]
