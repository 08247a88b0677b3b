import { expect } from 'vitest'
import { faultyStore } from '../../../packages/retrysafe/test/support/faulty-store.ts'
import { borrowed } from '../stand.ts'
import { type Case, refusal, told } from '../trial.ts'
import { asFirstRow, counted } from './replay.ts'

const noResponse = 'a Fetch handler gives one Response: it cannot answer again'

/** Handlers that misbehave, what handlers are told, and a store that is away. */
export const handlerCases: readonly Case[] = [
  {
    name: 'a handler that never answers is given up: 504, nothing recorded',
    control: 'without us the client waits for ever',
    async run(t) {
      const stand = await t.open(call => (call.count === 1 ? { kind: 'silent' } : counted(call)), {
        handlerTimeoutMs: 150,
      })
      const code = t.adapter === 'gateway' ? 'UPSTREAM_TIMEOUT' : 'HANDLER_TIMEOUT'
      expect(refusal(await stand.post())).toEqual([504, code, 'true'])
      if (t.adapter !== 'gateway') expect(stand.calls[0]?.context?.signal.aborted).toBe(true)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":2}'])
    },
  },
  {
    name: 'under onCrash fail its silence is a 424',
    control: 'the row above, by an option',
    async run(t) {
      const stand = await t.open(() => ({ kind: 'silent' }), { handlerTimeoutMs: 150, onCrash: 'fail' })
      expect(refusal(await stand.post())).toEqual([424, 'OUTCOME_UNKNOWN', 'false'])
      expect(refusal(await stand.post())).toEqual([424, 'OUTCOME_UNKNOWN', 'false'])
      expect(stand.calls.length).toBe(1)
    },
  },
  {
    name: 'a handler that returns nothing where its framework takes a response is a 500, and frees the key',
    control: 'trap 2 shows what is not freed',
    async run(t) {
      const stand = await t.open(call => (call.count === 1 ? { kind: 'forgotten' } : counted(call)))
      expect((await stand.post()).status).toBe(500)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":2}'])
    },
    skip: {
      node: 'returning says nothing: it may answer later',
      'express 4': 'returning says nothing: it may answer later',
      'express 5': 'returning says nothing: it may answer later',
      fastify: 'returning nothing says nothing: it may answer later',
      hono: 'Hono answers 404 then, and so without us',
      gateway: 'its upstream is on node:http',
    },
  },
  {
    name: 'what is answered twice counts once',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(() => ({ kind: 'twice', first: 'first', second: 'second' }))
      // Some frameworks cut the connection of whoever is answered twice.
      const first = await stand.post().catch(() => undefined)
      if (first !== undefined) expect(told(first)).toEqual([200, 'executed', 'first'])
      const second = told(await stand.post())
      // Who is cut off hears nothing of the record's end: his retry may come before it.
      if (first !== undefined || second[1] !== 'joined') expect(second).toEqual([200, 'replayed', 'first'])
      else expect(second).toEqual([200, 'joined', 'first'])
      expect(stand.calls.length).toBe(1)
    },
    skip: { fetch: noResponse, hono: noResponse },
  },
  {
    name: 'what is written after the end changes nothing',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(() => ({ kind: 'late write', body: 'whole', late: ' and more' }))
      expect(told(await stand.post())).toEqual([200, 'executed', 'whole'])
      expect(told(await stand.post())).toEqual([200, 'replayed', 'whole'])
      expect(stand.calls.length).toBe(1)
    },
    skip: { fetch: noResponse, hono: noResponse },
  },
  {
    name: 'the handler knows its key, its attempt, and that its answer will be replayed',
    control: 'without us nobody tells it',
    async run(t) {
      const stand = await t.open(counted)
      await stand.post()
      const context = stand.calls[0]?.context
      expect([context?.key, context?.attempt, context?.replayable, context?.signal.aborted]).toEqual([
        t.key,
        1,
        true,
        false,
      ])
    },
    skip: { gateway: 'its handler is another process' },
  },
  {
    name: 'a derived key is the same at every run, another for another name and another tenant',
    control: 'without us nobody tells it',
    async run(t) {
      const derived: (string | undefined)[] = []
      const stand = await t.open(({ count, context }) => {
        derived.push(context?.derive('charge'), context?.derive('mail'))
        return { kind: 'json', status: count === 1 ? 500 : 200, value: count, headers: [['Retry-After', '0']] }
      })
      expect((await stand.post()).status).toBe(500)
      expect((await stand.post()).status).toBe(200)
      expect((await stand.post({ credential: 'bob' })).status).toBe(200)
      const [charge, mail, again, mailAgain, bobs] = derived
      expect(charge).toMatch(/^[\w-]{43}$/)
      expect([again, mailAgain]).toEqual([charge, mail])
      expect(new Set([charge, mail, bobs]).size).toBe(3)
    },
    skip: { gateway: 'its handler is another process' },
  },
  {
    name: 'derive without a key says what is missing',
    control: 'without us there is no derive',
    async run(t) {
      const stand = await t.open(({ context }) => {
        let message = ''
        try {
          context?.derive('charge')
        } catch (error) {
          message = String(error)
        }
        return { kind: 'whole', body: message }
      })
      expect((await stand.post({ key: null })).text).toContain('derive() takes a request with an idempotency key')
    },
    skip: { gateway: 'its handler is another process' },
  },
  {
    name: 'the store is out of reach: 503 that SDKs retry, and no run',
    control: 'the next row: without protection it runs again and again',
    async run(t) {
      const faulty = faultyStore(t.keeping.store)
      const stand = await t.open(counted, {}, { safe: { store: borrowed(faulty.store) } })
      faulty.always('claim', { kind: 'reject' })
      expect(refusal(await stand.post())).toEqual([503, 'STORE_UNAVAILABLE', 'true'])
      expect(stand.calls.length).toBe(0)
      faulty.always('claim', undefined)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
    },
    skip: { gateway: 'test/e2e/gateway-store-gone.test.ts takes a real store away' },
  },
  {
    name: 'the store is out of reach, onStoreError open: handled without protection',
    control: 'it is what happens without us',
    async run(t) {
      const faulty = faultyStore(t.keeping.store)
      const stand = await t.open(counted, { onStoreError: 'open' }, { safe: { store: borrowed(faulty.store) } })
      faulty.always('claim', { kind: 'reject' })
      expect(told(await stand.post())).toEqual([200, 'bypassed', '{"run":1}'])
      expect(told(await stand.post())).toEqual([200, 'bypassed', '{"run":2}'])
      expect(stand.calls.map(({ body }) => body)).toEqual(['{"a":1}', '{"a":1}'])
      faulty.always('claim', undefined)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":3}'])
    },
    skip: { gateway: 'test/e2e/gateway-store-gone-open.test.ts takes a real store away' },
  },
]
