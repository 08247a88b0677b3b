import { once } from 'node:events'
import { expect } from 'vitest'
import { followArrivals } from '../../support/arrivals.ts'
import { gate, openTap, type Play } from '../script.ts'
import { type Case, refusal, told } from '../trial.ts'
import { asFirstRow, counted } from './replay.ts'

/** Duplicates that come while the first one runs. */
export const duplicateCases: readonly Case[] = [
  {
    name: 'duplicates at once are one run, and all have its answer',
    smoke: true,
    async run(t) {
      const door = gate()
      const stand = await t.open(async call => {
        await door.opened
        return counted(call)
      })
      const all = Array.from({ length: 8 }, () => stand.post())
      await expect.poll(() => stand.calls.length).toBe(1)
      door.open()
      const answers = await Promise.all(all)
      expect(answers.map(answer => [answer.status, answer.text])).toEqual(Array(8).fill([200, '{"run":1}']))
      expect(answers.filter(answer => answer.headers['retrysafe-outcome'] === 'executed')).toHaveLength(1)
      expect(answers.filter(answer => answer.headers['idempotent-replayed'] === 'true')).toHaveLength(7)
      expect(stand.calls.length).toBe(1)
    },
    async control(t) {
      const stand = await t.bare(counted)
      await Promise.all([stand.post(), stand.post()])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'a duplicate joins a running stream: what has come at once, then the rest as it comes',
    smoke: true,
    async run(t) {
      const tap = openTap()
      const stand = await t.open(() => ({
        kind: 'stream',
        pieces: tap,
        headers: [['Content-Type', 'text/event-stream']],
      }))
      const opening = stand.begin()
      tap.push('data: 1\n\n')
      const first = await opening
      const seenByFirst = followArrivals(first)
      await seenByFirst.until('data: 1\n\n')
      const second = await stand.begin()
      const seenBySecond = followArrivals(second)
      await seenBySecond.until('data: 1\n\n')
      tap.push('data: 2\n\n')
      await Promise.all([seenByFirst.until('data: 2\n\n'), seenBySecond.until('data: 2\n\n')])
      const ended = [first, second].map(response => once(response, 'end'))
      tap.end()
      await Promise.all(ended)
      expect([first.statusCode, first.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
      expect([second.statusCode, second.headers['retrysafe-outcome']]).toEqual([200, 'joined'])
      expect(second.headers['idempotent-replayed']).toBe('true')
      expect(second.headers['content-type']).toBe('text/event-stream')
      expect(told(await stand.post())).toEqual([200, 'replayed', 'data: 1\n\ndata: 2\n\n'])
      expect(stand.calls.length).toBe(1)
    },
    async control(t) {
      const stand = await t.bare(async function play() {
        const tap = openTap()
        tap.push('data: 1\n\n')
        tap.end()
        return { kind: 'stream', pieces: tap }
      })
      await Promise.all([stand.post(), stand.post()])
      expect(stand.calls.length).toBe(2)
    },
  },
  {
    name: 'a duplicate at another server on the same store joins too',
    control: asFirstRow,
    smoke: true,
    async run(t) {
      const tap = openTap()
      const play: Play = () => ({ kind: 'stream', pieces: tap, headers: [['Content-Type', 'text/event-stream']] })
      const [one, other] = [await t.open(play), await t.open(play)]
      const opening = one.begin()
      tap.push('data: 1\n\n')
      const first = await opening
      await followArrivals(first).until('data: 1\n\n')
      const second = await other.begin()
      const seen = followArrivals(second)
      await seen.until('data: 1\n\n')
      tap.push('data: 2\n\n')
      await seen.until('data: 2\n\n')
      const ended = [first, second].map(response => once(response, 'end'))
      tap.end()
      await Promise.all(ended)
      expect([second.statusCode, second.headers['retrysafe-outcome']]).toEqual([200, 'joined'])
      expect(told(await other.post())).toEqual([200, 'replayed', 'data: 1\n\ndata: 2\n\n'])
      expect([one.calls.length, other.calls.length]).toEqual([1, 0])
    },
    skip: { gateway: 'test/e2e/gateway-join.test.ts has two' },
  },
  {
    name: 'Retrysafe-Wait: 0 refuses a running duplicate with a 409 that SDKs retry',
    control: 'trap 13 shows the second run on the naive one',
    smoke: true,
    async run(t) {
      const door = gate()
      const stand = await t.open(async call => {
        await door.opened
        return counted(call)
      })
      const first = stand.post()
      await expect.poll(() => stand.calls.length).toBe(1)
      const refused = await stand.post({ headers: { 'Retrysafe-Wait': '0' } })
      expect(refusal(refused)).toEqual([409, 'IN_FLIGHT', 'true'])
      expect([refused.headers['retry-after'], refused.headers['retry-after-ms']]).toEqual(['1', '1000'])
      expect(refused.headers['retrysafe-outcome']).toBe('refused')
      door.open()
      expect(told(await first)).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":1}'])
    },
  },
  {
    name: 'waitMs bounds the wait of all',
    control: 'the row above, by an option',
    async run(t) {
      const door = gate()
      const stand = await t.open(
        async call => {
          await door.opened
          return counted(call)
        },
        { waitMs: 100 },
      )
      const first = stand.post()
      await expect.poll(() => stand.calls.length).toBe(1)
      expect(refusal(await stand.post())).toEqual([409, 'IN_FLIGHT', 'true'])
      door.open()
      expect((await first).status).toBe(200)
    },
  },
  {
    name: 'who waits for a run that fails runs once itself, and gets no stranger’s error',
    control: 'trap 22 shows it on the naive one',
    async run(t) {
      const door = gate()
      const stand = await t.open(async ({ count }) => {
        if (count > 1) return { kind: 'json', value: count }
        await door.opened
        return { kind: 'json', status: 500, value: 'no', headers: [['Retry-After', '0']] }
      })
      const first = stand.post()
      await expect.poll(() => stand.calls.length).toBe(1)
      const waiting = [stand.post(), stand.post(), stand.post()]
      door.open()
      expect(told(await first)).toEqual([500, 'executed', '"no"'])
      const answers = await Promise.all(waiting)
      expect(answers.map(({ status, text }) => [status, text])).toEqual(Array(3).fill([200, '2']))
      expect(stand.calls.length).toBe(2)
    },
  },
]
