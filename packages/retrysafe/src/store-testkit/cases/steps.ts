import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, shortLeaseMs } from '../durations.ts'
import { bytesOf, fingerprint, piece, step } from '../trial.ts'

const short = { leaseMs: shortLeaseMs }
const put = { id: 's', value: bytesOf('value') }
const exists = { kind: 'exists', value: 'value' }
const absent = { kind: 'absent' }
const lost = { kind: 'lost' }

export const stepCases: readonly KitCase[] = [
  {
    name: 'I11 a step begins, keeps its value, and gives it to every later attempt',
    needsMs: lapseMs,
    async run(t) {
      const token = await t.token(short)
      assertAnswer(await t.store.stepGet(t.key(), 's'), absent)
      assertAnswer(await t.store.stepStart(t.key(), token, step()), { kind: 'begun', attempt: 1 })
      assertAnswer(await t.store.stepGet(t.key(), 's'), absent)
      assertAnswer(await t.store.stepPut(t.key(), token, put), { kind: 'ok' })
      assertAnswer(await t.store.stepGet(t.key(), 's'), exists)
      assertAnswer(await t.store.stepStart(t.key(), token, step()), exists)
      await t.lapse()
      const next = await t.token({ owner: 'b' })
      assertAnswer(await t.store.stepStart(t.key(), next, step()), exists)
      assert.equal((await t.store.get(t.key()))?.steps, 1)
    },
  },
  {
    name: 'I7 a step has begun once, however often the same attempt says so',
    async run(t) {
      const token = await t.token()
      for (let times = 0; times < 5; times++) {
        assertAnswer(await t.store.stepStart(t.key(), token, step()), { kind: 'begun', attempt: 1 })
      }
      assert.equal((await t.store.get(t.key()))?.steps, 1)
    },
  },
  {
    name: 'I11 the first value of a step stays',
    async run(t) {
      const token = await t.token()
      await t.store.stepStart(t.key(), token, step())
      await t.store.stepPut(t.key(), token, put)
      assertAnswer(await t.store.stepPut(t.key(), token, { id: 's', value: bytesOf('value') }), { kind: 'ok' })
      assertAnswer(await t.store.stepPut(t.key(), token, { id: 's', value: bytesOf('other') }), exists)
      assertAnswer(await t.store.stepGet(t.key(), 's'), exists)
    },
  },
  {
    name: 'I11 a step keeps an empty value',
    async run(t) {
      const token = await t.token()
      await t.store.stepStart(t.key(), token, step())
      await t.store.stepPut(t.key(), token, { id: 's', value: new Uint8Array(0) })
      assertAnswer(await t.store.stepStart(t.key(), token, step()), { kind: 'exists', value: '' })
      assertAnswer(await t.store.stepPut(t.key(), token, put), { kind: 'exists', value: '' })
    },
  },
  {
    name: 'I3 a step gives its value to no other input',
    async run(t) {
      const token = await t.token()
      await t.store.stepStart(t.key(), token, step())
      const input = fingerprint('input j')
      assertAnswer(await t.store.stepStart(t.key(), token, step({ input })), { kind: 'changed' })
      await t.store.stepPut(t.key(), token, put)
      assertAnswer(await t.store.stepStart(t.key(), token, step({ input })), { kind: 'changed' })
      assertMatches(await t.store.stepStart(t.key(), token, step({ id: 's2', input })), { kind: 'begun' })
    },
  },
  {
    name: 'I4 the attempts of each step count by themselves, and stop at its cap',
    needsMs: 2 * lapseMs,
    async run(t) {
      await t.store.stepStart(t.key(), await t.token(short), step())
      await t.lapse()
      const second = await t.token({ owner: 'b', ...short })
      assertAnswer(await t.store.stepStart(t.key(), second, step()), { kind: 'begun', attempt: 2 })
      assertAnswer(await t.store.stepStart(t.key(), second, step({ id: 'fresh' })), { kind: 'begun', attempt: 1 })
      await t.lapse()
      const third = await t.token({ owner: 'c' })
      assertAnswer(await t.store.stepStart(t.key(), third, step()), { kind: 'unknown', attempt: 2 })
      assertAnswer(await t.store.stepStart(t.key(), third, step({ id: 'fresh' })), { kind: 'begun', attempt: 2 })
    },
  },
  {
    name: 'I4 a step is unknown under fail once an older attempt began it',
    needsMs: lapseMs,
    async run(t) {
      const fail = step({ onCrash: 'fail' })
      const first = await t.token(short)
      await t.store.stepStart(t.key(), first, fail)
      assertAnswer(await t.store.stepStart(t.key(), first, fail), { kind: 'begun', attempt: 1 })
      await t.lapse()
      const second = await t.token({ owner: 'b' })
      assertAnswer(await t.store.stepStart(t.key(), second, fail), { kind: 'unknown', attempt: 1 })
    },
  },
  {
    name: 'I11 steps survive a release, and take a value only from whoever runs',
    async run(t) {
      const first = await t.token()
      await t.store.stepStart(t.key(), first, step())
      await t.store.stepPut(t.key(), first, put)
      await t.release(first, 'broken')
      assertAnswer(await t.store.stepGet(t.key(), 's'), exists)
      assertAnswer(await t.store.stepStart(t.key(), first, step()), lost)
      assertAnswer(await t.store.stepPut(t.key(), first, { ...put, id: 's2' }), lost)
      const second = await t.token({ owner: 'b' })
      assertAnswer(await t.store.stepStart(t.key(), second, step()), exists)
      assertAnswer(await t.store.stepPut(t.key(), second, { ...put, id: 'never-begun' }), lost)
      assertAnswer(await t.store.stepGet(t.key(), 'never-begun'), absent)
    },
  },
  {
    name: 'I11 steps outlive a complete, and go with their record',
    async run(t) {
      const token = await t.token()
      await t.store.stepStart(t.key(), token, step())
      await t.store.stepPut(t.key(), token, put)
      await t.store.complete(t.key(), token, piece(0, 'x'))
      assertAnswer(await t.store.stepGet(t.key(), 's'), exists)
      await t.store.purge(t.key(), token.fence, { force: false })
      assertAnswer(await t.store.stepGet(t.key(), 's'), absent)
      const next = await t.token({ owner: 'b' })
      assertAnswer(await t.store.stepGet(t.key(), 's'), absent)
      assertAnswer(await t.store.stepStart(t.key(), next, step()), { kind: 'begun', attempt: 1 })
    },
  },
  {
    name: 'I11 steps go with a tombstone too',
    async run(t) {
      const token = await t.token()
      await t.store.stepStart(t.key(), token, step())
      await t.store.stepPut(t.key(), token, put)
      await t.store.purge(t.key(), token.fence, { force: true })
      assertAnswer(await t.store.stepGet(t.key(), 's'), absent)
      assertMatches(await t.store.get(t.key()), { state: 'purged', steps: 0 })
    },
  },
  {
    name: 'I11 many steps are kept apart, by record and by name',
    async run(t) {
      const names = ['', 's', 's:1', 'ß/ü "x"', 'a'.repeat(200), ...Array.from({ length: 30 }, (_, at) => `step-${at}`)]
      for (const key of ['k1', 'k2']) {
        const token = await t.token({ key })
        for (const id of names) {
          await t.store.stepStart(t.key(key), token, step({ id }))
          await t.store.stepPut(t.key(key), token, { id, value: bytesOf(`${key} ${names.indexOf(id)}`) })
        }
        assert.equal((await t.store.get(t.key(key)))?.steps, 35)
      }
      for (const key of ['k1', 'k2']) {
        for (const [at, id] of names.entries()) {
          assertAnswer(await t.store.stepGet(t.key(key), id), { kind: 'exists', value: `${key} ${at}` })
        }
      }
    },
  },
]
