import assert from 'node:assert/strict'
import { assertAnswer } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { shortLeaseMs, shortRetentionMs, sweepableMs } from '../durations.ts'
import { piece, type Trial } from '../trial.ts'

const brief = { leaseMs: shortLeaseMs, retentionMs: shortRetentionMs }

async function complete(t: Trial, count: number, retentionMs: number, prefix: string): Promise<void> {
  for (let at = 0; at < count; at++) {
    const key = `${prefix}${at}`
    const token = await t.token({ key, leaseMs: shortLeaseMs, retentionMs })
    await t.store.complete(t.key(key), token, piece(0, 'x'))
  }
}

/** Sweeps until nothing is left to remove; answers how many were removed each time. */
async function sweepAll(t: Trial, limit: number): Promise<number[]> {
  const counts: number[] = []
  for (;;) {
    const count = await t.store.sweep(limit)
    assert.ok(count <= limit, `sweep(${limit}) removed ${count}`)
    if (count === 0) return counts
    counts.push(count)
  }
}

/** How many a store removed, of those that it had to: one whose records go by themselves may have found fewer. */
function assertRemoved(t: Trial, counts: readonly number[], expected: number): void {
  const removed = sum(counts)
  if (t.store.traits.expiresItself === true) assert.ok(removed <= expected, `removed ${removed} of ${expected}`)
  else assert.equal(removed, expected)
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

export const sweepCases: readonly KitCase[] = [
  {
    name: 'I9 sweep removes all that has expired, at most its limit at a time, and nothing else',
    needs: 'alone',
    needsMs: sweepableMs,
    async run(t) {
      await complete(t, 25, shortRetentionMs, 'old')
      await complete(t, 5, 86_400_000, 'young')
      assert.equal(await t.store.sweep(100), 0)
      await t.passSurely(sweepableMs)
      assertRemoved(t, await sweepAll(t, 10), 25)
      assert.equal((await t.store.list({ limit: 100 })).records.length, 5)
      for (let at = 0; at < 5; at++) assert.equal(await t.state(`young${at}`), 'completed')
      for (let at = 0; at < 25; at++) assert.equal(await t.state(`old${at}`), 'absent')
    },
  },
  {
    name: 'I9 sweep removes nothing that lives: running, open, unknown, tombstone, completed',
    needsMs: 2_500,
    async run(t) {
      const tokens = [await t.token({ key: 'running', leaseMs: shortLeaseMs }), await t.token({ key: 'completed' })]
      await t.store.complete(t.key('completed'), tokens[1] ?? assert.fail(), piece(0, 'x'))
      await t.end('failed', { key: 'open' })
      await t.end('broken', { key: 'unknown', onCrash: 'fail' })
      await t.end('cancelled', { key: 'purged' })
      const names = ['running', 'open', 'completed', 'unknown', 'purged']
      await t.passSurely(2_500)
      await sweepAll(t, 1_000)
      assertAnswer(await Promise.all(names.map(name => t.state(name))), names)
      assert.equal(await t.store.complete(t.key('running'), tokens[0] ?? assert.fail(), piece(0, 'x')), 'ok')
    },
  },
  {
    name: 'I9 sweep removes lapsed, open and unknown records past their end too',
    needs: 'alone',
    needsMs: sweepableMs,
    async run(t) {
      await t.acquire({ key: 'running', ...brief })
      await t.end('broken', { key: 'open', ...brief })
      await t.end('broken', { key: 'unknown', onCrash: 'fail', ...brief })
      await t.passSurely(sweepableMs)
      assertRemoved(t, await sweepAll(t, 2), 3)
    },
  },
  {
    name: 'I9 sweep comes back to a record that a renewal kept',
    needs: 'alone',
    needsMs: 2 * sweepableMs,
    async run(t) {
      const token = await t.token(brief)
      await t.pass(1_500)
      await t.store.renew(t.key(), token, { leaseMs: 2 * sweepableMs })
      await t.passSurely(sweepableMs)
      assertAnswer(await sweepAll(t, 10), [])
      assert.equal(await t.state(), 'running')
      await t.store.complete(t.key(), token, piece(0, 'x'))
      await t.passSurely(shortRetentionMs)
      assert.equal(await t.state(), 'absent')
    },
  },
  {
    name: 'I9 sweep removes a record that a completion brought forward',
    needs: 'alone',
    needsMs: 3_700_000,
    async run(t) {
      const token = await t.token({ leaseMs: 3_600_000, retentionMs: 1_000 })
      await t.store.complete(t.key(), token, piece(0, 'x'))
      await t.passSurely(1_000)
      assert.equal(await t.state(), 'absent')
      await t.pass(3_699_000)
      await sweepAll(t, 10)
      assertAnswer((await t.store.list({ limit: 10 })).records, [])
    },
  },
  {
    name: 'I9 sweep is not held up by records that were freed long ago',
    needs: 'alone',
    needsMs: sweepableMs,
    async run(t) {
      // What a client that gets a 400 again and again leaves behind.
      for (let at = 0; at < 50; at++) await t.end('free', { owner: `owner-${at}`, ...brief })
      await complete(t, 1, shortRetentionMs, 'old')
      await t.passSurely(sweepableMs)
      assertRemoved(t, await sweepAll(t, 10), 1)
    },
  },
  {
    name: 'I9 sweep waits for a lease that outlives the record by the wall clock',
    needs: 'jumpWall',
    needsMs: 60_000 + sweepableMs,
    async run(t) {
      await t.acquire({ leaseMs: 30_000, retentionMs: 1_000 })
      t.harness.jumpWall?.(60_000)
      assert.equal(await t.store.sweep(10), 0)
      await t.pass(31_999)
      assert.equal(await t.store.sweep(10), 0)
      await t.pass(28_001)
      assertAnswer(await sweepAll(t, 10), [1])
    },
  },
]
