import assert from 'node:assert/strict'
import type { Store } from '../../engine/store.ts'
import { assertAnswer, assertMatches, tally } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, shortLeaseMs } from '../durations.ts'
import { createRandom } from '../random.ts'
import { bytesOf, piece, step, type Trial } from '../trial.ts'

/** The handles in turn: all the same, or two on the same data. */
async function handles(t: Trial): Promise<(at: number) => Store> {
  const stores = t.harness.openAgain === undefined ? [t.store] : [t.store, await t.again()]
  return at => stores[at % stores.length] ?? t.store
}

function many<Answer>(count: number, ask: (at: number) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: count }, (_, at) => ask(at)))
}

export const concurrentCases: readonly KitCase[] = [
  {
    name: 'I1 of many claims at once exactly one is acquired',
    async run(t) {
      const store = await handles(t)
      const answers = await many(50, at => store(at).claim(t.terms({ owner: `owner-${at}` })))
      assertAnswer(tally(answers), { acquired: 1, running: 49 })
    },
  },
  {
    name: 'I1 of many takeovers at once exactly one is acquired',
    needsMs: lapseMs,
    async run(t) {
      const store = await handles(t)
      const first = await t.token({ leaseMs: shortLeaseMs })
      await t.lapse()
      const answers = await many(30, at => store(at).claim(t.terms({ owner: `owner-${at}` })))
      assertAnswer(tally(answers), { acquired: 1, running: 29 })
      for (const answer of answers) if (answer.kind === 'acquired') assert.ok(answer.token.fence > first.fence)
    },
  },
  {
    name: 'I1 of many claims at once on an open record exactly one is acquired',
    async run(t) {
      const store = await handles(t)
      await t.end('broken')
      const answers = await many(30, at => store(at).claim(t.terms({ owner: `owner-${at}` })))
      assertAnswer(tally(answers), { acquired: 1, running: 29 })
    },
  },
  {
    name: 'I7 of the same claim many times at once there is one attempt',
    async run(t) {
      const store = await handles(t)
      const answers = await many(20, at => store(at).claim(t.terms()))
      for (const answer of answers) assertAnswer(answer, answers[0])
      assertMatches(answers[0], { kind: 'acquired', attempt: 1 })
    },
  },
  {
    name: 'I1 claims of many keys at once, in any order, give each key to one',
    async run(t) {
      const store = await handles(t)
      const random = createRandom(7)
      const names = Array.from({ length: 12 }, (_, at) => `k${at}`)
      const answers = await many(12, async at => {
        const order = [...names].map(name => ({ name, by: random.unit() })).sort((a, b) => a.by - b.by)
        return store(at).claimMany(order.map(({ name }) => t.terms({ key: name, owner: `owner-${at}` })))
      })
      assertAnswer(tally(answers.flat()), { acquired: 12, running: 132 })
      for (const name of names) assert.equal(await t.state(name), 'running')
    },
  },
  {
    name: 'I2 of many completes at once exactly one is kept',
    async run(t) {
      const store = await handles(t)
      const token = await t.token()
      const answers = await many(20, at => store(at).complete(t.key(), token, piece(0, `outcome ${at}`)))
      assertAnswer(tally(answers), { ok: 1, dup: 19 })
      assertMatches(await t.claim({ owner: 'b' }), { log: { bytes: `outcome ${answers.indexOf('ok')}` } })
    },
  },
  {
    name: 'I6 of a late complete and a takeover at once exactly one comes through',
    needsMs: lapseMs,
    async run(t) {
      const store = await handles(t)
      const keys = Array.from({ length: 20 }, (_, at) => `k${at}`)
      const tokens = await many(20, at => t.token({ key: keys[at] ?? '', leaseMs: shortLeaseMs }))
      await t.lapse()
      for (const [at, key] of keys.entries()) {
        const token = tokens[at] ?? assert.fail()
        const claim = (): Promise<string> =>
          store(1)
            .claim(t.terms({ key, owner: 'b' }))
            .then(answer => answer.kind)
        const complete = (): Promise<string> => store(0).complete(t.key(key), token, piece(0, 'late'))
        const answers = at % 2 === 0 ? [complete(), claim()] : [claim(), complete()]
        const told = (await Promise.all(answers)).sort().join(' ')
        assert.ok(told === 'completed ok' || told === 'acquired lost', `${key}: ${told}`)
        assert.equal(await t.state(key), told === 'completed ok' ? 'completed' : 'running')
      }
    },
  },
  {
    name: 'I7 of the same append many times at once one is kept',
    async run(t) {
      const store = await handles(t)
      const token = await t.token()
      const answers = await many(20, at => store(at).append(t.key(), token, piece(0, 'abc')))
      assertAnswer(tally(answers), { ok: 1, dup: 19 })
      assert.equal(await t.log(token.fence), 'abc')
    },
  },
  {
    name: 'I8 of appends at once that begin at the same place one is kept whole',
    async run(t) {
      const store = await handles(t)
      const token = await t.token()
      const answers = await many(10, at => store(at).append(t.key(), token, piece(0, String(at).repeat(at + 1))))
      const kept = answers.findIndex(answer => answer.kind === 'ok')
      assert.equal(tally(answers)['ok'], 1)
      assert.equal(await t.log(token.fence), String(kept).repeat(kept + 1))
    },
  },
  {
    name: 'I11 of many values of a step at once one is kept, and everybody is told that one',
    async run(t) {
      const store = await handles(t)
      const token = await t.token()
      const started = await many(10, at => store(at).stepStart(t.key(), token, step()))
      for (const answer of started) assertAnswer(answer, { kind: 'begun', attempt: 1 })
      assert.equal((await t.store.get(t.key()))?.steps, 1)
      const answers = await many(10, at => store(at).stepPut(t.key(), token, { id: 's', value: bytesOf(`v${at}`) }))
      assertAnswer(tally(answers), { ok: 1, exists: 9 })
      const kept = { kind: 'exists', value: `v${answers.findIndex(answer => answer.kind === 'ok')}` }
      for (const answer of answers) if (answer.kind === 'exists') assertAnswer(answer, kept)
      assertAnswer(await t.store.stepGet(t.key(), 's'), kept)
    },
  },
  {
    name: 'I1 an offer is taken by one of many at once',
    async run(t) {
      const store = await handles(t)
      await t.store.offer(t.name('pair'), { key: t.key(), fence: 1, count: 0, ttlMs: 60_000 })
      const answers = await many(20, at => store(at).take(t.name('pair'), { count: 1, owner: t.owner(`o${at}`) }))
      assertAnswer(tally(answers), { taken: 1, none: 19 })
    },
  },
  {
    name: 'I7 counts at once lose nothing, and one sequence counts once',
    async run(t) {
      const store = await handles(t)
      const add = (at: number, source: string) => store(at).count(t.name('b'), { runs: 1 }, { source, number: 1 })
      assertAnswer(tally(await many(20, at => add(at, `source-${at}`))), { ok: 20 })
      assertAnswer(tally(await many(20, at => add(at, 'one source'))), { ok: 1, dup: 19 })
      assertAnswer(await t.store.counters(t.name('b')), { runs: 21 })
    },
  },
  {
    name: 'I7 metaInit by many at once answers everybody the same',
    async run(t) {
      const store = await handles(t)
      const answers = await many(20, at => store(at).metaInit(t.name('secret'), bytesOf(`secret ${at}`)))
      for (const answer of answers) assertAnswer(answer, answers[0])
      assertAnswer(await t.store.metaInit(t.name('secret'), bytesOf('later')), answers[0])
    },
  },
]
