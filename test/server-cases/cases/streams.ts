import { once } from 'node:events'
import { expect } from 'vitest'
import { followArrivals } from '../../support/arrivals.ts'
import { eventually } from '../../support/eventually.ts'
import { openTap, pieces } from '../script.ts'
import { type Case, refusal, told } from '../trial.ts'
import { beginStream, chat, events, finish, hello } from './chat-stream.ts'
import { asFirstRow } from './replay.ts'

/** Streams, and clients that leave. */
export const streamCases: readonly Case[] = [
  {
    name: 'a stream is shown as it comes, and replayed byte for byte',
    control: 'trap 16 shows the stream held back on the naive one',
    smoke: true,
    async run(t) {
      const { tap, stand, first: response } = await beginStream(t)
      const seen = followArrivals(response)
      await seen.until(hello)
      tap.push(hello.slice(0, 20))
      tap.push(hello.slice(20))
      await seen.until(hello + hello)
      tap.push(finish)
      tap.end()
      await seen.until('[DONE]')
      const replay = await stand.post({ path: chat })
      expect(told(replay)).toEqual([200, 'replayed', hello + hello + finish])
      expect(replay.headers['content-type']).toBe('text/event-stream')
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'the client leaves in mid-stream: the handler goes on, and the retry has all of it',
    smoke: true,
    async run(t) {
      const { tap, stand, first: response } = await beginStream(t)
      await followArrivals(response).until('Hello')
      response.destroy()
      if (t.adapter !== 'gateway') await eventually(() => stand.closedConnections()).toBe(1)
      tap.push(hello)
      tap.push(finish)
      tap.end()
      const retry = await stand.post({ path: chat })
      expect([retry.status, retry.text]).toEqual([200, hello + hello + finish])
      expect(retry.headers['idempotent-replayed']).toBe('true')
      expect(stand.calls.length).toBe(1)
    },
    async control(t) {
      const stand = await t.bare(({ count }) => {
        const tap = openTap()
        tap.push(hello)
        if (count > 1) tap.end()
        return { kind: 'stream', pieces: tap, headers: events }
      })
      const response = await stand.begin()
      await followArrivals(response).until('Hello')
      response.destroy()
      expect((await stand.post()).text).toBe(hello)
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'a stream of 5 MiB comes whole, also when its first client stops reading and leaves',
    control: asFirstRow,
    async run(t) {
      const piece = 'x'.repeat(65_535)
      const stand = await t.open(({ count }) => ({
        kind: 'stream',
        pieces: pieces(...Array.from({ length: 80 }, () => `${count}${piece}`)),
      }))
      const reader = { key: `${t.key}-reader` }
      for (const outcome of ['executed', 'replayed']) {
        const answer = await stand.post(reader)
        expect([answer.headers['retrysafe-outcome'], answer.text.length]).toEqual([outcome, 5_242_880])
      }
      const response = await stand.begin()
      expect(response.statusCode).toBe(200)
      await once(response, 'readable')
      response.destroy()
      const retry = await stand.post()
      expect([retry.status, retry.text.length, retry.text[0]]).toEqual([200, 5_242_880, '2'])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'the client leaves before the head: the handler goes on, and the retry has its answer',
    control: 'trap 9 shows it on the naive one',
    async run(t) {
      const tap = openTap()
      const stand = await t.open(async ({ count }) => {
        for await (const _ of tap) break
        return { kind: 'json', value: count }
      })
      const leave = new AbortController()
      const left = stand.post({ signal: leave.signal }).catch(() => 'left')
      await eventually(() => stand.calls.length).toBe(1)
      leave.abort()
      expect(await left).toBe('left')
      if (t.adapter !== 'gateway') await eventually(() => stand.closedConnections()).toBe(1)
      tap.push('go')
      const retry = await stand.post()
      expect([retry.status, retry.text]).toEqual([200, '1'])
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'onDisconnect cancel: the signal fires, and the retry runs',
    control: 'without the option the handler goes on: a row above',
    async run(t) {
      const tap = openTap()
      const stand = await t.open(
        ({ count }) =>
          count === 1
            ? { kind: 'stream', pieces: tap, headers: events }
            : { kind: 'stream', pieces: pieces(hello, finish), headers: events },
        { onDisconnect: 'cancel' },
      )
      // A gateway's upstream has no signal: its connection ends.
      const isStopped = () =>
        t.adapter === 'gateway' ? stand.closedConnections() === 1 : stand.calls[0]?.context?.signal.aborted
      const opening = stand.begin({ path: chat })
      tap.push(hello)
      const response = await opening
      await followArrivals(response).until('Hello')
      expect(isStopped()).toBe(false)
      response.destroy()
      await eventually(isStopped).toBe(true)
      tap.fail(new Error('aborted'))
      expect(told(await stand.post({ path: chat }))).toEqual([200, 'executed', hello + finish])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'onDisconnect cancel: who has joined keeps the run, and gets all of it',
    control: 'in the row above nobody has joined',
    async run(t) {
      const tap = openTap()
      const stand = await t.open(() => ({ kind: 'stream', pieces: tap, headers: events }), { onDisconnect: 'cancel' })
      const opening = stand.begin({ path: chat })
      tap.push(hello)
      const first = await opening
      await followArrivals(first).until('Hello')
      const joined = await stand.begin({ path: chat })
      const arrivals = followArrivals(joined)
      await arrivals.until('Hello')
      first.destroy()
      if (t.adapter !== 'gateway') await eventually(() => stand.closedConnections()).toBe(1)
      tap.push(finish)
      tap.end()
      await arrivals.until('[DONE]')
      expect(joined.headers['retrysafe-outcome']).toBe('joined')
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'an error event inside a 200 is shown, and no success',
    control: async t => {
      const stand = await t.bare(() => ({ kind: 'stream', pieces: pieces(hello), headers: events }))
      expect((await stand.post({ path: chat })).status).toBe(200)
    },
    async run(t) {
      const failure = 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
      const stand = await t.open(({ count }) => ({
        kind: 'stream',
        pieces: pieces(hello, count === 1 ? failure : finish),
        headers: [...events, ['Retry-After', '0']],
      }))
      const first = await stand.post({ path: chat })
      expect(told(first)).toEqual([200, 'executed', hello + failure])
      expect(told(await stand.post({ path: chat }))).toEqual([200, 'executed', hello + finish])
      expect(told(await stand.post({ path: chat }))).toEqual([200, 'replayed', hello + finish])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'a stream without its terminal event never ends cleanly, and is no success',
    async run(t) {
      const stand = await t.open(({ count }) => ({
        kind: 'stream',
        pieces: count === 1 ? pieces(hello) : pieces(hello, finish),
        headers: [...events, ['Retry-After', '0']],
      }))
      await expect(stand.post({ path: chat })).rejects.toThrow()
      expect(told(await stand.post({ path: chat }))).toEqual([200, 'executed', hello + finish])
      expect(stand.calls.length).toBe(2)
    },
    async control(t) {
      const stand = await t.bare(() => ({ kind: 'stream', pieces: pieces(hello), headers: events }))
      expect((await stand.post({ path: chat })).text).toBe(hello)
    },
  },
  {
    name: 'a stream that breaks breaks its client’s connection, and the retry runs',
    control: 'it breaks without us, too',
    async run(t) {
      const stand = await t.open(({ count }) => {
        const tap = openTap()
        tap.push('one')
        if (count === 1) tap.fail(new Error('broken'))
        else tap.end()
        return { kind: 'stream', pieces: tap }
      })
      await expect(stand.post()).rejects.toThrow()
      expect(told(await stand.post())).toEqual([200, 'executed', 'one'])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'an error answer that breaks off never ends cleanly',
    control: 'it breaks without us, too',
    async run(t) {
      const stand = await t.open(() => {
        const tap = openTap()
        tap.push('one')
        tap.fail(new Error('broken'))
        return { kind: 'stream', status: 500, pieces: tap }
      })
      await expect(stand.post()).rejects.toThrow()
    },
  },
  {
    name: 'a result over maxResultBytes is delivered whole, and its retry is a 424',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(
        ({ count }) => ({ kind: 'whole', body: `${count}`.repeat(2_000) }),
        {},
        { safe: { maxResultBytes: 1_000 } },
      )
      expect(told(await stand.post())).toEqual([200, 'executed', '1'.repeat(2_000)])
      expect(refusal(await stand.post())).toEqual([424, 'RESULT_NOT_KEPT', 'false'])
      expect(stand.calls.length).toBe(1)
    },
  },
]
