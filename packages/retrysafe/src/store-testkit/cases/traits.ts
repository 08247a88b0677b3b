import assert from 'node:assert/strict'
import { assertBetween } from '../assertions.ts'
import type { KitCase } from '../case.ts'

export const traitCases: readonly KitCase[] = [
  {
    name: 'the traits say what there is, and the harness gives it to the kit',
    async run(t) {
      const { traits, name } = t.store
      assert.ok(name.length > 0, 'the store has no name')
      assert.equal(traits.transactional, t.store.completeIn !== undefined, 'traits.transactional and completeIn')
      assert.equal(traits.transactional, t.harness.transactions !== undefined, "traits.transactional and the harness's")
      assert.equal(traits.crossProcess, t.harness.openAgain !== undefined, "traits.crossProcess and the harness's")
      assertBetween(traits.pollMs, 1, 10_000, 'traits.pollMs')
    },
  },
]
