import { expect } from 'vitest'
import { always, type Play } from '../script.ts'
import { type Case, type Control, refusal, told } from '../trial.ts'
import { asFirstRow, counted } from './replay.ts'

/** Fails once, and says how often it ran. */
const failsOnce =
  (status: number): Play =>
  ({ count }) =>
    count === 1
      ? { kind: 'json', status, value: { error: status }, headers: [['Retry-After', '0']] }
      : { kind: 'json', value: { run: count } }

const failsTwice: Control = async t => {
  const stand = await t.bare(failsOnce(500))
  expect((await stand.post()).status).toBe(500)
  expect((await stand.post()).status).toBe(200)
}

/** What is no success is not recorded. */
export const failureCases: readonly Case[] = [
  {
    name: 'a 500 is shown, not recorded, and the retry runs',
    smoke: true,
    async run(t) {
      const stand = await t.open(failsOnce(500))
      expect(told(await stand.post())).toEqual([500, 'executed', '{"error":500}'])
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":2}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":2}'])
    },
    control: failsTwice,
  },
  {
    name: 'a 400 is shown at once, not recorded, and may run again',
    control: 'without us nothing is ever recorded',
    async run(t) {
      const stand = await t.open(failsOnce(400))
      expect(told(await stand.post())).toEqual([400, 'executed', '{"error":400}'])
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":2}'])
    },
  },
  {
    name: 'the payload of a failed run binds nobody',
    control: 'without us nothing is ever recorded',
    async run(t) {
      const stand = await t.open(failsOnce(400))
      expect((await stand.post({ body: '{"a":"wrong"}' })).status).toBe(400)
      expect(told(await stand.post({ body: '{"a":"right"}' }))).toEqual([200, 'executed', '{"run":2}'])
    },
  },
  {
    name: 'a handler that throws frees the key',
    control: 'trap 2 shows it on the naive one',
    smoke: true,
    async run(t) {
      const stand = await t.open(call => {
        if (call.count === 1) throw new Error('broken')
        return counted(call)
      })
      expect((await stand.post()).status).toBe(500)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":2}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":2}'])
    },
  },
  {
    name: 'so does one that throws what is no Error',
    control: 'trap 2 shows it on the naive one',
    async run(t) {
      const stand = await t.open(call => {
        if (call.count === 1) throw 'a text'
        return counted(call)
      })
      expect((await stand.post()).status).toBe(500)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":2}'])
    },
    skip: { hono: 'Hono itself hands on only what is an Error: the server answers, and so without us' },
  },
  {
    name: 'what is thrown may have no text, with a key and without: a 500, and the server goes on',
    control: 'there is no harm without us: it is our own words that such a throw could end',
    async run(t) {
      const stand = await t.open(call => {
        if (call.count <= 2) throw Object.create(null)
        return counted(call)
      })
      expect((await stand.post({ key: null })).status).toBe(500)
      expect((await stand.post()).status).toBe(500)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":3}'])
    },
    skip: { hono: 'Hono itself hands on only what is an Error: the server answers, and so without us' },
  },
  {
    name: 'recordStatus says what is a result',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(({ count }) => ({ kind: 'json', status: count === 1 ? 404 : 200, value: count }), {
        recordStatus: [404],
      })
      expect(told(await stand.post())).toEqual([404, 'executed', '1'])
      expect(told(await stand.post())).toEqual([404, 'replayed', '1'])
      const other = { key: `${t.key}-other` }
      expect(told(await stand.post(other))).toEqual([200, 'executed', '2'])
      expect(told(await stand.post(other))).toEqual([200, 'executed', '3'])
    },
  },
  {
    name: 'a redirect is recorded where its status is',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(always({ kind: 'redirect', to: '/done' }), { recordStatus: [[300, 399]] })
      for (const outcome of ['executed', 'replayed']) {
        const answer = await stand.post()
        expect([answer.status, answer.headers['retrysafe-outcome'], answer.headers.location]).toEqual([
          303,
          outcome,
          '/done',
        ])
      }
      expect(stand.calls.length).toBe(1)
      const unrecorded = await t.open(always({ kind: 'redirect', to: '/done' }))
      const other = { key: `${t.key}-other` }
      expect((await unrecorded.post(other)).status).toBe(303)
      expect((await unrecorded.post(other)).status).toBe(303)
      expect(unrecorded.calls.length).toBe(2)
    },
  },
  {
    name: '502, 504 and the like may hide a run that had its effect: they count',
    control: async t => {
      const stand = await t.bare(always({ kind: 'json', status: 502, value: 'gone' }))
      for (const _ of [1, 2, 3]) await stand.post()
      expect(stand.calls.length).toBe(3)
    },
    async run(t) {
      const stand = await t.open(
        ({ count }) => ({
          kind: 'json',
          status: [502, 504, 520, 524][count - 1] ?? 200,
          value: count,
          headers: [['Retry-After', '0']],
        }),
        { maxAttempts: 4 },
      )
      for (const status of [502, 504, 520, 524]) expect((await stand.post()).status).toBe(status)
      expect(refusal(await stand.post())).toEqual([424, 'OUTCOME_UNKNOWN', 'false'])
      expect(stand.calls.length).toBe(4)
      if (t.adapter !== 'gateway') expect(stand.calls.map(({ context }) => context?.attempt)).toEqual([1, 2, 3, 4])
    },
  },
  {
    name: 'onCrash fail: a 502 is a 424, and nobody runs again',
    async run(t) {
      const stand = await t.open(always({ kind: 'json', status: 502, value: 'gone' }), { onCrash: 'fail' })
      expect(refusal(await stand.post())).toEqual([424, 'OUTCOME_UNKNOWN', 'false'])
      expect(refusal(await stand.post())).toEqual([424, 'OUTCOME_UNKNOWN', 'false'])
      expect(stand.calls.length).toBe(1)
    },
    async control(t) {
      const stand = await t.bare(always({ kind: 'json', status: 502, value: 'gone' }))
      expect([(await stand.post()).status, (await stand.post()).status]).toEqual([502, 502])
      expect(stand.calls.length).toBe(2)
    },
  },
]
