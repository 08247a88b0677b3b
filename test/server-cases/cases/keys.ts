import { expect } from 'vitest'
import { type Case, refusal, told } from '../trial.ts'
import { asFirstRow, counted } from './replay.ts'

/** A UUIDv7 of July 2023. */
const oldUuid = '01890a5d-ac96-774b-bcce-b302099a8057'

/** Keys, and whose they are. */
export const keyCases: readonly Case[] = [
  {
    name: 'quoted and bare are the same key',
    control: 'trap 19 shows it on the naive one',
    async run(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post({ key: `"${t.key}"` }))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":1}'])
    },
  },
  {
    name: 'malformed, too long, or sent twice: 400, and no run',
    control: async t => {
      const stand = await t.bare(counted)
      expect((await stand.post({ key: 'a b' })).status).toBe(200)
      expect(stand.calls.length).toBe(1)
    },
    async run(t) {
      const stand = await t.open(counted)
      for (const key of ['', 'a b', '"open', 'a,b', `${'k'.repeat(256)}`]) {
        expect([key, ...refusal(await stand.post({ key }))]).toEqual([key, 400, 'KEY_INVALID', 'false'])
      }
      const twice = await stand.post({ headers: { 'Idempotency-Key': [t.key, t.key] } })
      expect(refusal(twice)).toEqual([400, 'KEY_INVALID', 'false'])
      expect(twice.headers['retrysafe-outcome']).toBe(t.adapter === 'gateway' ? undefined : 'refused')
      expect(stand.calls.length).toBe(0)
      expect((await stand.post({ key: 'k'.repeat(255), credential: t.key })).status).toBe(200)
    },
  },
  {
    name: 'another header carries the key',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(counted, { keyHeaders: ['X-Request-Id', 'Idempotency-Key'] })
      const ask = (id: string) => stand.post({ headers: { 'X-Request-Id': id } })
      expect(told(await ask(`${t.key}-1`))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await ask(`${t.key}-1`))).toEqual([200, 'replayed', '{"run":1}'])
      expect(told(await ask(`${t.key}-2`))).toEqual([200, 'executed', '{"run":2}'])
    },
  },
  {
    name: 'without a key a request passes',
    control: 'it is what happens without us',
    async run(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post({ key: null }))).toEqual([200, undefined, '{"run":1}'])
      expect(told(await stand.post({ key: null }))).toEqual([200, undefined, '{"run":2}'])
      if (t.adapter === 'gateway') return
      expect(stand.calls.map(({ context }) => [context?.key, context?.attempt, context?.replayable])).toEqual([
        [undefined, 1, false],
        [undefined, 1, false],
      ])
    },
  },
  {
    name: 'keyless require: 400 without a key, and no run',
    control: async t => {
      const stand = await t.bare(counted)
      expect((await stand.post({ key: null })).status).toBe(200)
    },
    async run(t) {
      const stand = await t.open(counted, { keyless: 'require' })
      expect(refusal(await stand.post({ key: null }))).toEqual([400, 'KEY_MISSING', 'false'])
      expect(stand.calls.length).toBe(0)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
    },
  },
  {
    name: 'one key of two credentials is two keys',
    control: 'trap 23 shows it on the naive one',
    smoke: true,
    async run(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post({ credential: 'bob' }))).toEqual([200, 'executed', '{"run":2}'])
      expect(told(await stand.post())).toEqual([200, 'replayed', '{"run":1}'])
    },
  },
  {
    name: 'a tenant function tells whose key it is, whatever the credential',
    control: 'trap 23 shows it on the naive one',
    async run(t) {
      const stand = await t.open(counted, { tenant: async read => read('x-user') })
      const ask = (user: string, credential: string) => stand.post({ credential, headers: { 'X-User': user } })
      expect(told(await ask('ann', 'one'))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await ask('ben', 'one'))).toEqual([200, 'executed', '{"run":2}'])
      expect(told(await ask('ann', 'two'))).toEqual([200, 'replayed', '{"run":1}'])
    },
    skip: { gateway: 'it calls no functions; --tenant header:NAME has tests of its own' },
  },
  {
    name: 'no credential: 401, and no run',
    control: async t => {
      const stand = await t.open(counted, { tenant: 'single' })
      expect((await stand.post({ credential: null })).status).toBe(200)
    },
    async run(t) {
      const stand = await t.open(counted)
      expect(refusal(await stand.post({ credential: null }))).toEqual([401, 'TENANT_MISSING', 'false'])
      expect(stand.calls.length).toBe(0)
    },
    skip: { gateway: 'on loopback it lets callers in without one' },
  },
  {
    name: 'a tenant function that names nobody: 401; one that throws: 500; no run, nothing kept',
    control: 'without us there is no tenant function',
    async run(t) {
      const nobody = await t.open(counted, { tenant: read => read('x-user') })
      expect(refusal(await nobody.post())).toEqual([401, 'TENANT_MISSING', 'false'])
      expect(refusal(await nobody.post({ headers: { 'X-User': '' } }))).toEqual([401, 'TENANT_MISSING', 'false'])
      expect(nobody.calls.length).toBe(0)
      const failing = await t.open(counted, {
        tenant: read => {
          if (read('x-user') === undefined) throw new Error('no session')
          return 'ann'
        },
      })
      expect(refusal(await failing.post())).toEqual([500, 'CALLBACK_FAILED', 'false'])
      expect(failing.calls.length).toBe(0)
      expect(told(await failing.post({ headers: { 'X-User': 'ann' } }))).toEqual([200, 'executed', '{"run":1}'])
    },
    skip: { gateway: 'it calls no functions' },
  },
  {
    name: 'a key function names the key; nothing from it is no key',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(counted, { key: async read => read('x-order') })
      const ask = (order: string) => stand.post({ headers: { 'X-Order': order } })
      expect(told(await ask(`${t.key} "1"`))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await ask(`${t.key} "1"`))).toEqual([200, 'replayed', '{"run":1}'])
      expect(told(await stand.post())).toEqual([200, undefined, '{"run":2}'])
      expect(stand.calls[0]?.context?.key).toBe(`${t.key} "1"`)
    },
    skip: { gateway: 'it calls no functions' },
  },
  {
    name: 'a key function that gives an empty or too long key: 400; one that throws: 500; no run',
    control: 'without us there is no key function',
    async run(t) {
      const stand = await t.open(counted, {
        key: read => {
          const order = read('x-order')
          if (order === undefined) throw new Error('no order')
          return order === 'long' ? 'k'.repeat(5_000) : ''
        },
      })
      expect(refusal(await stand.post({ headers: { 'X-Order': 'empty' } }))).toEqual([400, 'KEY_INVALID', 'false'])
      expect(refusal(await stand.post({ headers: { 'X-Order': 'long' } }))).toEqual([400, 'KEY_INVALID', 'false'])
      expect(refusal(await stand.post())).toEqual([500, 'CALLBACK_FAILED', 'false'])
      expect(stand.calls.length).toBe(0)
    },
    skip: { gateway: 'it calls no functions' },
  },
  {
    name: 'GET is untouched, key or not; PATCH counts',
    control: asFirstRow,
    async run(t) {
      const stand = await t.open(counted)
      for (const run of [1, 2]) {
        const answer = await stand.post({ method: 'GET' })
        expect(told(answer)).toEqual([200, 'bypassed', `{"run":${run}}`])
        expect(answer.headers['idempotent-replayed']).toBeUndefined()
      }
      expect(told(await stand.post({ method: 'PATCH' }))).toEqual([200, 'executed', '{"run":3}'])
      expect(told(await stand.post({ method: 'PATCH' }))).toEqual([200, 'replayed', '{"run":3}'])
    },
  },
  {
    name: 'methods are an option',
    control: 'without the option the row above holds',
    async run(t) {
      const stand = await t.open(counted, { methods: ['PUT'] })
      expect(told(await stand.post({ method: 'PUT' }))).toEqual([200, 'executed', '{"run":1}'])
      expect(told(await stand.post({ method: 'PUT' }))).toEqual([200, 'replayed', '{"run":1}'])
      expect((await stand.post({ method: 'POST' })).text).toBe('{"run":2}')
      expect((await stand.post({ method: 'POST' })).text).toBe('{"run":3}')
    },
  },
  {
    name: 'expiryAware: a call sent first longer ago than outcomes are kept is a 412, not a second run',
    async run(t) {
      const stand = await t.open(counted, { expiryAware: true })
      const old = { key: oldUuid, credential: t.key }
      expect(refusal(await stand.post(old))).toEqual([412, 'KEY_EXPIRED', 'false'])
      const headers = { 'Repeatability-First-Sent': 'Mon, 01 Jan 2024 00:00:00 GMT' }
      expect(refusal(await stand.post({ headers }))).toEqual([412, 'KEY_EXPIRED', 'false'])
      expect(stand.calls.length).toBe(0)
      expect(told(await stand.post())).toEqual([200, 'executed', '{"run":1}'])
      // The client's clock may be wrong: what is on record still counts.
      expect(told(await stand.post({ headers }))).toEqual([200, 'replayed', '{"run":1}'])
    },
    async control(t) {
      const stand = await t.open(counted)
      expect(told(await stand.post({ key: oldUuid, credential: t.key }))).toEqual([200, 'executed', '{"run":1}'])
    },
  },
]
