import { once } from 'node:events'
import { expect } from 'vitest'
import { followArrivals } from '../../support/arrivals.ts'
import { openTap, pieces } from '../script.ts'
import type { Ask } from '../stand.ts'
import { type Case, refusal, told } from '../trial.ts'
import { asStreams, beginStream, chat, events, finish, hello, noSuch, rest, streamed, whole } from './chat-stream.ts'
import { counted } from './replay.ts'

const idForm = /^[\w-]{76}$/

/** What the resume endpoint does, whatever it stands on. */
export const resumeCases: readonly Case[] = [
  {
    name: 'a stream that broke off is resumed from any byte: as it runs, live, and when it is over',
    control: asStreams,
    smoke: true,
    async run(t) {
      const { tap, stand, first } = await beginStream(t)
      const id = first.headers['retrysafe-stream']
      expect(id).toMatch(idForm)
      await followArrivals(first).until(hello)
      first.destroy()

      const live = await stand.begin(rest(id, '10'))
      expect([live.statusCode, live.headers['content-type']]).toEqual([200, 'text/event-stream'])
      expect([live.headers['retrysafe-stream'], live.headers['retrysafe-outcome']]).toEqual([id, 'joined'])
      const seen = followArrivals(live)
      await seen.until(hello.slice(10))
      const atTheEnd = await stand.begin(rest(id, String(hello.length)))
      const next = followArrivals(atTheEnd)
      const ended = [live, atTheEnd].map(response => once(response, 'end'))
      tap.push(finish)
      tap.end()
      await Promise.all([seen.until(whole.slice(10)), next.until(finish), ...ended])

      for (const offset of [0, 1, 60, whole.length - 1, whole.length]) {
        const answer = await stand.post(rest(id, String(offset)))
        expect(told(answer)).toEqual([200, 'replayed', whole.slice(offset)])
        expect(answer.headers['content-length']).toBe(String(whole.length - offset))
        expect(answer.headers['idempotent-replayed']).toBe('true')
      }
      expect(told(await stand.post(rest(id)))).toEqual([200, 'replayed', whole])
      const replay = await stand.post({ path: chat })
      expect([replay.headers['retrysafe-outcome'], replay.headers['retrysafe-stream']]).toEqual(['replayed', id])
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'only what is recorded and handed out as a stream has an id',
    control: 'without us nothing has one',
    async run(t) {
      const stand = await t.open(call => {
        if (call.count === 1) return counted(call)
        if (call.count === 2) return { kind: 'json', status: 500, value: {} }
        return { kind: 'stream', pieces: pieces(hello, finish), headers: events }
      })
      const ids: unknown[] = []
      const idOf = async (ask: Ask): Promise<unknown> => ids.push((await stand.post(ask)).headers['retrysafe-stream'])
      await idOf({ path: '/plain' })
      await idOf({ path: '/plain' })
      await idOf({ path: '/plain', body: '{"a":2}' })
      await idOf({ path: '/failed', key: `${t.key}-failed` })
      await idOf({ path: chat, key: null })
      await idOf(rest('made-up'))
      expect(ids).toEqual(Array(6).fill(undefined))
      expect(stand.calls.map(call => call.count)).toEqual([1, 2, 3])
      const stream = { path: chat, key: `${t.key}-stream` }
      const id = await streamed(stand, stream)
      expect(id).toMatch(idForm)
      expect((await stand.post(stream)).headers['retrysafe-stream']).toBe(id)
    },
  },
  {
    name: 'a joiner is told the same id',
    control: 'without us nothing has one',
    async run(t) {
      const { tap, stand, first } = await beginStream(t)
      const joiner = await stand.begin({ path: chat })
      expect(joiner.headers['retrysafe-outcome']).toBe('joined')
      expect(joiner.headers['retrysafe-stream']).toBe(first.headers['retrysafe-stream'])
      const ends = [first, joiner].map(response => once(response.resume(), 'end'))
      tap.push(finish)
      tap.end()
      await Promise.all(ends)
    },
  },
  {
    name: 'a long answer in pieces is resumed byte by byte, whatever its bytes and its status',
    control: asStreams,
    async run(t) {
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 31) % 256))
      const headers = [
        ['Content-Type', 'application/octet-stream'],
        ['Cache-Control', 'public, max-age=60'],
        ['X-Kept', 'yes'],
      ] as const
      const stand = await t.open(() => ({ kind: 'whole', status: 203, body: bytes, headers }))
      const first = await stand.post()
      const id = first.headers['retrysafe-stream']
      expect([first.status, first.body.equals(bytes)]).toEqual([203, true])
      expect((await stand.post()).headers['retrysafe-stream']).toBe(id)
      for (const offset of [0, 99_999, 299_990, 300_000]) {
        const answer = await stand.post(rest(id, String(offset)))
        expect([answer.status, answer.headers['x-kept']]).toEqual([203, 'yes'])
        expect(answer.body.equals(bytes.subarray(offset))).toBe(true)
        // A GET may be answered by a cache, which knows no tenants.
        expect(answer.headers['cache-control']).toBe('no-store')
      }
    },
  },
  {
    name: 'a plain answer is resumed where its replay comes in pieces',
    control: asStreams,
    async run(t) {
      const text = JSON.stringify('x'.repeat(100_000))
      const headers = [['Content-Type', 'application/json']] as const
      const stand = await t.open(() => ({ kind: 'whole', body: text, headers }))
      expect(told(await stand.post())).toEqual([200, 'executed', text])
      const replay = await stand.post()
      expect(told(replay)).toEqual([200, 'replayed', text])
      const answer = await stand.post(rest(replay.headers['retrysafe-stream'], '99998'))
      expect(told(answer)).toEqual([200, 'replayed', 'xxx"'])
    },
  },
  {
    name: 'a resumer’s connection breaks with the run; what nobody has run again is gone, and another run is another stream',
    control: async t => {
      // Who went by offsets alone would put the second run behind the first.
      const stand = await t.bare(({ count }) => ({ kind: 'whole', body: `run ${count}` }))
      const [first, second] = [await stand.post(), await stand.post()]
      expect(first.text.slice(0, 4) + second.text.slice(4)).toBe('run 2')
    },
    async run(t) {
      const tap = openTap()
      const stand = await t.open(({ count }) => ({
        kind: 'stream',
        pieces: count === 1 ? tap : pieces(hello, finish),
        headers: [...events, ['Retry-After', '0']],
      }))
      const opening = stand.begin({ path: chat })
      tap.push(hello)
      const first = await opening
      const id = first.headers['retrysafe-stream']
      const resumed = await stand.begin(rest(id, '5'))
      const broken = [first, resumed].map(response => expect(once(response.resume(), 'end')).rejects.toThrow())
      tap.fail(new Error('broken'))
      await Promise.all(broken)
      expect(refusal(await stand.post(rest(id, '5')))).toEqual(noSuch)
      const secondId = await streamed(stand)
      expect(secondId).not.toBe(id)
      for (const offset of ['0', '5', '1000']) {
        expect(refusal(await stand.post(rest(id, offset)))).toEqual([410, 'STREAM_SUPERSEDED', undefined])
      }
      expect(told(await stand.post(rest(secondId, '5')))).toEqual([200, 'replayed', whole.slice(5)])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'a resumer that leaves, or does not read, holds up nobody',
    control: asStreams,
    async run(t) {
      const tap = openTap()
      const stand = await t.open(() => ({ kind: 'stream', pieces: tap }))
      const opening = stand.begin()
      tap.push('begin ')
      const first = await opening
      const id = first.headers['retrysafe-stream']
      const lazy = await stand.begin(rest(id))
      const leaver = await stand.begin(rest(id, '2'))
      await followArrivals(leaver).until('gin ')
      leaver.destroy()
      const piece = 'x'.repeat(65_536)
      const chunks: Buffer[] = []
      first.on('data', chunk => chunks.push(chunk))
      const over = once(first, 'end')
      for (let at = 0; at < 80; at++) tap.push(piece)
      tap.end()
      await over
      expect(Buffer.concat(chunks).byteLength).toBe(5_242_886)
      let lazyBytes = 0
      for await (const chunk of lazy) lazyBytes += chunk.length
      expect(lazyBytes).toBe(5_242_886)
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'a stream too large to keep is not resumed once it is over',
    control: asStreams,
    async run(t) {
      const stand = await t.open(
        () => ({ kind: 'stream', pieces: pieces('x'.repeat(900), 'y'.repeat(900)) }),
        {},
        { safe: { maxResultBytes: 1_000 } },
      )
      const first = await stand.post()
      expect(told(first)).toEqual([200, 'executed', 'x'.repeat(900) + 'y'.repeat(900)])
      const id = first.headers['retrysafe-stream']
      expect(id).toMatch(idForm)
      expect(refusal(await stand.post(rest(id, '10')))).toEqual([424, 'RESULT_NOT_KEPT', 'false'])
    },
  },
]
