import assert from 'node:assert/strict'
import { assertAnswer, plain } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { type Delivery, endings, lives, sendInVain } from '../deliveries.ts'
import { bytesOf, type Trial } from '../trial.ts'

/** A whole life in which every message arrives twice in a row. */
async function liveTwice(t: Trial, ending: Delivery, { key, story, onCrash }: ReturnType<typeof lives>[number]) {
  const terms = t.terms({ key, onCrash })
  const first = await t.store.claim(terms)
  if (first.kind !== 'acquired') assert.fail(first.kind)
  assertAnswer(await t.store.claim(terms), first)
  for (const delivery of [...story, ending]) {
    const answer = plain(await delivery.send(t, key, first.token))
    const again = await sendInVain(t, delivery, key, first.token, 'sent twice')
    assert.deepEqual(again, delivery.twin ?? answer, `${delivery.name} was told otherwise the second time`)
  }
}

export const replayedCases: readonly KitCase[] = [
  ...endings.map(
    (ending): KitCase => ({
      name: `I7 every step of an attempt sent twice equals once, up to ${ending.name}`,
      async run(t) {
        for (const life of lives(ending)) await liveTwice(t, ending, life)
      },
    }),
  ),
  {
    name: 'I7 resolve sent twice equals once',
    async run(t) {
      const token = await t.end('broken', { onCrash: 'fail' })
      assert.equal(await t.store.resolve(t.key(), token.fence), 'ok')
      const before = await t.snapshot()
      assert.equal(await t.store.resolve(t.key(), token.fence), 'absent')
      assertAnswer(await t.snapshot(), before)
    },
  },
  {
    name: 'I7 claims of many keys sent twice equal once',
    async run(t) {
      const terms = ['k1', 'k2', 'k3'].map(key => t.terms({ key }))
      const first = await t.store.claimMany(terms)
      assertAnswer(await t.store.claimMany(terms), first)
      assertAnswer(await t.store.claim(terms[1] ?? assert.fail()), first[1])
    },
  },
  {
    name: 'I7 offer, take, count and metaInit sent twice, the first again after the others, equal once',
    async run(t) {
      const offer = (key: string) => t.store.offer(t.name('p'), { key: t.key(key), fence: 7, count: 0, ttlMs: 60_000 })
      const take = (owner: string) => t.store.take(t.name('p'), { count: 1, owner: t.owner(owner) })
      const count = (number: number) => t.store.count(t.name('b'), { runs: number }, { source: 'p', number })
      const meta = (text: string) => t.store.metaInit(t.name('m'), bytesOf(text))
      for (const key of ['k1', 'k1', 'k2', 'k2', 'k1']) await offer(key)
      const taken = [await take('x'), await take('x'), await take('y'), await take('y'), await take('x')]
      assertAnswer(
        taken.map(answer => (answer.kind === 'taken' ? answer.key : answer.kind)),
        ['k2', 'k2', 'k1', 'k1', 'k2'].map(key => t.key(key)),
      )
      await offer('k1')
      assertAnswer(await take('z'), { kind: 'none' })
      assertAnswer([await count(1), await count(1), await count(2), await count(1)], ['ok', 'dup', 'ok', 'dup'])
      assertAnswer(await t.store.counters(t.name('b')), { runs: 3 })
      assertAnswer([await meta('one'), await meta('one'), await meta('two')], ['one', 'one', 'one'])
    },
  },
]
