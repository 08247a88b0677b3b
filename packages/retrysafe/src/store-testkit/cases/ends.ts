import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, longRetentionMs, shortCooldownMs, shortLeaseMs } from '../durations.ts'
import { piece, step, type Trial } from '../trial.ts'

const short = { leaseMs: shortLeaseMs }

async function endsAfter(t: Trial, afterMs: number, key?: string): Promise<void> {
  t.near((await t.store.get(t.key(key)))?.expiresAtMs, (await t.store.now()) + afterMs, 'expiresAtMs')
}

export const endCases: readonly KitCase[] = [
  {
    name: 'what was never dispatched or was refused is deleted, under both policies',
    async run(t) {
      await t.end('free')
      assert.equal(await t.state(), 'absent')
      await t.end('free', { owner: 'b', onCrash: 'fail' })
      assert.equal(await t.state(), 'absent')
      assertMatches(await t.acquire({ owner: 'c', raw: 'raw-2' }), { attempt: 1 })
    },
  },
  ...(['rerun', 'fail'] as const).map(
    (onCrash): KitCase => ({
      name: `I4 a failed run is open under ${onCrash} after its cooldown, not counted`,
      needsMs: shortCooldownMs,
      async run(t) {
        await t.end('failed', { onCrash, maxAttempts: 1, retentionMs: 600_000 }, shortCooldownMs)
        assertMatches(await t.store.get(t.key()), { state: 'open', attempt: 0 })
        await endsAfter(t, 600_000)
        await t.passSurely(shortCooldownMs)
        // Not counted: with a cap of one it may run again, for ever.
        for (const owner of ['b', 'c', 'd']) {
          const { token, attempt } = await t.acquire({ owner, onCrash, maxAttempts: 1 })
          assert.equal(attempt, 1)
          await t.release(token, 'failed')
        }
      },
    }),
  ),
  {
    name: 'I4 a broken run is open under rerun, counted, without its log',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'half an answer'))
      await t.release(token, 'broken')
      assertMatches(await t.store.get(t.key()), { state: 'open', attempt: 1, lengthBytes: 0 })
      await endsAfter(t, longRetentionMs)
      const next = await t.acquire({ owner: 'b' })
      assertMatches(next, { attempt: 2, sent: true })
      assert.equal(await t.log(next.token.fence), '')
    },
  },
  {
    name: 'I4 a broken run is unknown under fail, whatever the next claim asks for',
    async run(t) {
      await t.end('broken', { onCrash: 'fail' })
      assert.equal(await t.state(), 'unknown')
      assertAnswer(await t.claim({ owner: 'b', onCrash: 'fail' }), { kind: 'unknown', attempt: 1 })
      assertAnswer(await t.claim({ owner: 'b', onCrash: 'rerun', maxAttempts: 100 }), { kind: 'unknown', attempt: 1 })
      await endsAfter(t, longRetentionMs)
    },
  },
  {
    name: 'I4 a failed run after a broken one is not counted, and keeps the fingerprint',
    async run(t) {
      await t.end('broken')
      await t.end('failed', { owner: 'b' })
      assertMatches(await t.store.get(t.key()), { state: 'open', attempt: 1 })
      await endsAfter(t, longRetentionMs)
      assertAnswer(await t.claim({ owner: 'c', raw: 'raw-2' }), { kind: 'mismatch' })
      assertMatches(await t.acquire({ owner: 'c' }), { attempt: 2 })
    },
  },
  {
    name: 'I4 a lapsed run is taken over under rerun, counted, up to the cap',
    needsMs: 3 * lapseMs,
    async run(t) {
      for (const [owner, attempt] of [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ] as const) {
        assertMatches(await t.acquire({ owner, ...short }), { attempt })
        await t.lapse()
      }
      assertAnswer(await t.claim({ owner: 'd' }), { kind: 'unknown', attempt: 3 })
      assertAnswer(await t.claim({ owner: 'e' }), { kind: 'unknown', attempt: 3 })
      assert.equal(await t.state(), 'unknown')
      await endsAfter(t, longRetentionMs)
    },
  },
  {
    name: 'I4 broken and lapsed runs count together',
    needsMs: lapseMs,
    async run(t) {
      await t.end('broken', { maxAttempts: 2 })
      assertMatches(await t.acquire({ owner: 'b', ...short }), { attempt: 2 })
      await t.lapse()
      assertAnswer(await t.claim({ owner: 'c' }), { kind: 'unknown', attempt: 2 })
    },
  },
  {
    name: 'I4 an open record whose attempts are used up is unknown, after its cooldown',
    needsMs: shortCooldownMs,
    async run(t) {
      await t.end('broken', { maxAttempts: 1 }, shortCooldownMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'cooling' })
      await t.passSurely(shortCooldownMs)
      assertAnswer(await t.claim({ owner: 'b' }), { kind: 'unknown', attempt: 1 })
      assert.equal(await t.state(), 'unknown')
    },
  },
  {
    name: "I4 the cap and the policy are the record's, not the claim's",
    needsMs: lapseMs,
    async run(t) {
      await t.end('broken', { maxAttempts: 1 })
      assertAnswer(await t.claim({ owner: 'b', maxAttempts: 100 }), { kind: 'unknown', attempt: 1 })
      await t.acquire({ key: 'lapsed', onCrash: 'fail', ...short })
      await t.lapse()
      assertMatches(await t.acquire({ key: 'lapsed', owner: 'b' }), { attempt: 2, sent: false, onCrash: 'fail' })
    },
  },
  {
    name: 'I4 a lapsed run is unknown under fail once it was sent, else taken over',
    needsMs: 2 * lapseMs,
    async run(t) {
      const fail = { onCrash: 'fail', ...short } as const
      const first = await t.token(fail)
      await t.lapse()
      const second = await t.acquire({ owner: 'b', ...fail })
      assertMatches(second, { attempt: 2, sent: false })
      assertAnswer(await t.store.renew(t.key(), first, { leaseMs: longLeaseMs, sent: true }), { kind: 'lost' })
      await t.store.renew(t.key(), second.token, { ...short, sent: true })
      await t.lapse()
      assertAnswer(await t.claim({ owner: 'c', onCrash: 'fail' }), { kind: 'unknown', attempt: 2 })
    },
  },
  {
    name: 'I4 a renewal that says nothing of it is no mark',
    async run(t) {
      const token = await t.token({ onCrash: 'fail' })
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs })
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs, sent: false })
      assert.equal((await t.store.get(t.key()))?.sent, false)
    },
  },
  {
    name: 'I4 what a mark said stays through later renewals',
    async run(t) {
      const token = await t.token({ onCrash: 'fail' })
      assert.equal((await t.store.get(t.key()))?.sent, false)
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs, sent: true })
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs })
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs, sent: false })
      assert.equal((await t.store.get(t.key()))?.sent, true)
    },
  },
  {
    name: 'I4 a cancelled run leaves a tombstone under rerun, and is unknown under fail once it was sent',
    async run(t) {
      await t.end('cancelled')
      assertMatches(await t.store.get(t.key()), { state: 'purged' })
      await endsAfter(t, 86_400_000)
      assertMatches(await t.acquire({ owner: 'b', raw: 'raw-2' }), { attempt: 1 })
      await t.end('cancelled', { key: 'unsent', onCrash: 'fail' })
      assert.equal(await t.state('unsent'), 'purged')
      const sent = await t.token({ key: 'sent', onCrash: 'fail' })
      await t.store.renew(t.key('sent'), sent, { leaseMs: longLeaseMs, sent: true })
      await t.release(sent, 'cancelled', 0, 'sent')
      assert.equal(await t.state('sent'), 'unknown')
    },
  },
  {
    name: 'I7 a repeated release is answered as the first, and changes nothing',
    needsMs: 300,
    async run(t) {
      const token = await t.end('failed', {}, longLeaseMs)
      const before = await t.snapshot()
      await t.pass(300)
      assert.equal(await t.release(token, 'failed', longLeaseMs), 'ok')
      assert.equal(await t.release(token, 'broken', 9_000_000), 'ok')
      assertAnswer(await t.snapshot(), before)
      const answer = await t.claim({ owner: 'b' })
      t.near(answer.kind === 'cooling' ? answer.leftMs : -1, longLeaseMs - 300, 'leftMs')
      const free = await t.end('free', { key: 'free' })
      assert.equal(await t.release(free, 'free', 0, 'free'), 'ok')
    },
  },
  {
    name: 'I5 what was completed is not released',
    async run(t) {
      const token = await t.token()
      await t.store.complete(t.key(), token, piece(0, 'x'))
      for (const end of ['free', 'failed', 'broken', 'cancelled'] as const) {
        assert.equal(await t.release(token, end), 'lost')
      }
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: 'x' } })
    },
  },
  {
    name: 'I2 what was released is not completed',
    async run(t) {
      for (const end of ['failed', 'broken', 'cancelled'] as const) {
        const token = await t.end(end, { key: end })
        assert.equal(await t.store.complete(t.key(end), token, piece(0, 'late')), 'lost', end)
      }
      // A store that can lose rows cannot tell a freed record from a lost one.
      const token = await t.end('free', { key: 'free' })
      const late = await t.store.complete(t.key('free'), token, piece(0, 'late'))
      assert.ok(late === 'lost' || (t.store.traits.mayLoseRows && late === 'resurrected'), `free: ${late}`)
    },
  },
  {
    name: 'a cooldown is kept whole, also when it is longer than an open record lives',
    needsMs: 900_000,
    async run(t) {
      await t.end('failed', {}, 900_000)
      await t.pass(900_000 - t.edgeMs)
      const answer = await t.claim({ owner: 'b' })
      t.near(answer.kind === 'cooling' ? answer.leftMs : -1, t.edgeMs, 'leftMs')
    },
  },
  {
    name: 'a cooldown is kept whole, also when it is longer than the retention',
    needsMs: 2_500,
    async run(t) {
      await t.end('broken', { retentionMs: 1_000 }, longLeaseMs)
      await t.pass(2_500)
      assertMatches(await t.claim({ owner: 'b', retentionMs: 1_000 }), { kind: 'cooling' })
    },
  },
  {
    name: 'an open record that nothing counted lives ten minutes',
    needsMs: 600_000,
    async run(t) {
      await t.end('failed', { retentionMs: 1_000 })
      await t.pass(600_000 - t.edgeMs)
      assert.equal(await t.state(), 'open')
      await t.passSurely(t.edgeMs)
      assert.equal(await t.state(), 'absent')
    },
  },
  ...(
    [
      ['free', 0],
      ['failed', 0],
      ['broken', 1],
      ['cancelled', 1],
    ] as const
  ).map(
    ([end, attempt]): KitCase => ({
      name: `I11 a record with steps is open after ${end} under both policies, counted ${attempt}`,
      async run(t) {
        for (const onCrash of ['rerun', 'fail'] as const) {
          const token = await t.token({ key: onCrash, onCrash })
          await t.store.stepStart(t.key(onCrash), token, step())
          await t.release(token, end, 0, onCrash)
          assertMatches(await t.store.get(t.key(onCrash)), { state: 'open', attempt, steps: 1 })
          await endsAfter(t, longRetentionMs, onCrash)
          assertAnswer(await t.claim({ key: onCrash, owner: 'b', raw: 'raw-2' }), { kind: 'mismatch' })
        }
      },
    }),
  ),
  {
    name: 'I11 a record with steps is always taken over, past the cap of attempts and when it was sent',
    needsMs: 3 * lapseMs,
    async run(t) {
      const fail = { onCrash: 'fail', maxAttempts: 1, ...short } as const
      const first = await t.token(fail)
      await t.store.renew(t.key(), first, { ...short, sent: true })
      await t.store.stepStart(t.key(), first, step({ onCrash: 'fail' }))
      for (const [owner, attempt] of [
        ['b', 2],
        ['c', 3],
        ['d', 4],
      ] as const) {
        await t.lapse()
        assertMatches(await t.acquire({ owner, ...fail }), { attempt })
      }
    },
  },
]
