import assert from 'node:assert/strict'
import { assertAnswer } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import type { Trial } from '../trial.ts'

function count(t: Trial, bucket: string, deltas: Record<string, number>, source: string, number: number) {
  return t.store.count(t.name(bucket), deltas, { source: t.name(source), number })
}

export const counterCases: readonly KitCase[] = [
  {
    name: 'I7 a count adds, once for a sequence',
    async run(t) {
      assert.equal(await count(t, 'b', { runs: 2, tokens: 0.5 }, 'p', 1), 'ok')
      assert.equal(await count(t, 'b', { runs: 2 }, 'p', 1), 'dup')
      assert.equal(await count(t, 'b', { runs: 3 }, 'p', 2), 'ok')
      assert.equal(await count(t, 'b', { runs: 100 }, 'p', 1), 'dup')
      assert.equal(await count(t, 'b', { runs: 10 }, 'q', 1), 'ok')
      assertAnswer(await t.store.counters(t.name('b')), { runs: 15, tokens: 0.5 })
      assertAnswer(await t.store.counters(t.name('c')), {})
    },
  },
  {
    name: 'a sequence begins with 0, may leave numbers out, and counts for its bucket alone',
    async run(t) {
      assert.equal(await count(t, 'b', { runs: 1 }, 'p', 0), 'ok')
      assert.equal(await count(t, 'c', { runs: 1 }, 'p', 0), 'ok')
      assert.equal(await count(t, 'b', { runs: 1 }, 'p', 0), 'dup')
      assert.equal(await count(t, 'b', { runs: -3 }, 'p', 70), 'ok')
      assert.equal(await count(t, 'b', { runs: 9 }, 'p', 69), 'dup')
      assertAnswer(await t.store.counters(t.name('b')), { runs: -2 })
      assertAnswer(await t.store.counters(t.name('c')), { runs: 1 })
    },
  },
  {
    name: 'names of counters are only names',
    async run(t) {
      const deltas = { 'a:b/"c"': 1, constructor: 2, __proto: 3, 'ü ': 4 }
      await count(t, 'b', deltas, 'p', 1)
      await count(t, 'b', deltas, 'p', 2)
      assertAnswer(await t.store.counters(t.name('b')), { 'a:b/"c"': 2, constructor: 4, __proto: 6, 'ü ': 8 })
    },
  },
]
