import assert from 'node:assert/strict'
import type { Token } from '../../engine/record.ts'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, longRetentionMs, shortLeaseMs, shortRetentionMs } from '../durations.ts'
import { piece, type Trial } from '../trial.ts'

const force = { force: true }
const gently = { force: false }
const day = 86_400_000

async function makeUnknown(t: Trial): Promise<Token> {
  const token = await t.token({ onCrash: 'fail' })
  await t.store.append(t.key(), token, piece(0, 'abc'))
  await t.release(token, 'broken')
  return token
}

export const operatorCases: readonly KitCase[] = [
  {
    name: 'I6 purge names the fence it saw',
    async run(t) {
      const token = await t.token()
      await t.store.complete(t.key(), token, piece(0, 'x'))
      assert.equal(await t.store.purge(t.key(), token.fence + 1, force), 'changed')
      assert.equal(await t.store.purge(t.key(), token.fence - 1, force), 'changed')
      assert.equal(await t.state(), 'completed')
      assert.equal(await t.store.purge(t.key(), token.fence, gently), 'ok')
      // Its complete, sent again, must not bring it back.
      assert.equal(await t.state(), t.store.traits.mayLoseRows ? 'purged' : 'absent')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'x')), 'lost')
      assert.equal(await t.store.purge(t.key(), token.fence, gently), 'absent')
      assertMatches(await t.acquire({ owner: 'b', raw: 'raw-2' }), { attempt: 1 })
      assert.equal(await t.store.purge(t.key(), token.fence, force), 'changed')
      assert.equal(await t.state(), 'running')
    },
  },
  {
    name: 'I6 purge removes a running record only with force, and its tombstone outlives late writes',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'abc'))
      assert.equal(await t.store.purge(t.key(), token.fence, gently), 'running')
      assertMatches(await t.store.get(t.key()), { state: 'running', lengthBytes: 3 })
      assert.equal(await t.store.purge(t.key(), token.fence, force), 'ok')
      const view = await t.store.get(t.key())
      assertMatches(view, { state: 'purged', fence: token.fence, lengthBytes: 0 })
      t.near(view?.expiresAtMs, (await t.store.now()) + day, 'expiresAtMs')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'late')), 'lost')
      assertAnswer(await t.store.append(t.key(), token, piece(3, 'late')), { kind: 'lost' })
      assertAnswer(await t.store.renew(t.key(), token, { leaseMs: longLeaseMs }), { kind: 'lost' })
      const ended = { kind: 'ended', state: 'purged', cooldownMs: 0 }
      assertAnswer(await t.store.read(t.key(), token.fence, 0, 10), ended)
      assert.equal(await t.store.purge(t.key(), token.fence, force), 'absent')
      assert.equal(await t.state(), 'purged')
    },
  },
  {
    name: 'I6 purge leaves a tombstone of an unknown record, and deletes an open one',
    async run(t) {
      const token = await makeUnknown(t)
      assert.equal(await t.store.purge(t.key(), token.fence, gently), 'ok')
      assert.equal(await t.state(), 'purged')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'late')), 'lost')
      const open = await t.end('failed', { key: 'open' }, longLeaseMs)
      assert.equal(await t.store.purge(t.key('open'), open.fence, gently), 'ok')
      assert.equal(await t.state('open'), 'absent')
    },
  },
  {
    name: 'I6 purge leaves a tombstone of whatever was taken over',
    needsMs: lapseMs,
    async run(t) {
      const zombie = await t.token({ leaseMs: shortLeaseMs })
      await t.lapse()
      const token = await t.token({ owner: 'b' })
      await t.store.complete(t.key(), token, piece(0, 'x'))
      assert.equal(await t.store.purge(t.key(), token.fence, gently), 'ok')
      assert.equal(await t.state(), 'purged')
      assert.equal(await t.store.complete(t.key(), zombie, piece(0, 'late')), 'lost')
    },
  },
  {
    name: 'I1 a tombstone goes to the next claim, with a higher fence and any payload',
    async run(t) {
      const token = await t.token()
      await t.store.purge(t.key(), token.fence, force)
      const next = await t.acquire({ owner: 'b', raw: 'raw-2' })
      assertMatches(next, { attempt: 1, sent: true })
      assert.ok(next.token.fence > token.fence, 'the fence did not rise')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'late')), 'lost')
      assert.equal(await t.state(), 'running')
    },
  },
  {
    name: 'I9 a tombstone expires after a day',
    needs: 'alone',
    needsMs: day,
    async run(t) {
      const token = await t.token({ leaseMs: shortLeaseMs })
      await t.store.purge(t.key(), token.fence, force)
      await t.pass(day - t.edgeMs)
      assert.equal(await t.state(), 'purged')
      assert.equal(await t.store.sweep(10), 0)
      await t.passSurely(t.edgeMs)
      assert.equal(await t.state(), 'absent')
    },
  },
  {
    name: 'an operator is told absent where nothing is, or nothing is left',
    needsMs: shortRetentionMs,
    async run(t) {
      const token = await t.token({ key: 'expired', retentionMs: shortRetentionMs })
      await t.store.complete(t.key('expired'), token, piece(0, 'x'))
      await t.passSurely(shortRetentionMs)
      for (const [key, fence] of [
        ['nobody', 1],
        ['expired', token.fence],
      ] as const) {
        assert.equal(await t.store.purge(t.key(key), fence, force), 'absent')
        assert.equal(await t.store.resolve(t.key(key), fence), 'absent')
        assert.equal(await t.store.cancel(t.key(key), fence), 'absent')
      }
    },
  },
  {
    name: 'resolve frees an unknown record, by the fence it saw',
    async run(t) {
      const token = await makeUnknown(t)
      assert.equal(await t.store.resolve(t.key(), token.fence + 1), 'changed')
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'unknown' })
      assert.equal(await t.store.resolve(t.key(), token.fence), 'ok')
      assert.equal(await t.state(), 'purged')
      const { records } = await t.store.unknown({ limit: 1_000 })
      assert.ok(!records.some(record => record.id === t.key()), 'a resolved record is listed as unknown')
      assert.equal(await t.store.resolve(t.key(), token.fence), 'absent')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'late')), 'lost')
      assertMatches(await t.acquire({ owner: 'b' }), { attempt: 1 })
    },
  },
  {
    name: 'resolve refuses every other state',
    async run(t) {
      const token = await t.token()
      assert.equal(await t.store.resolve(t.key(), token.fence), 'running')
      await t.store.complete(t.key(), token, piece(0, 'x'))
      assert.equal(await t.store.resolve(t.key(), token.fence), 'refused')
      const open = await t.end('failed', { key: 'open' })
      assert.equal(await t.store.resolve(t.key('open'), open.fence), 'refused')
    },
  },
  {
    name: 'cancel tells the owner at its next renewal, again and again, and changes nothing else',
    async run(t) {
      const token = await t.token()
      const renew = () => t.store.renew(t.key(), token, { leaseMs: longLeaseMs })
      assert.equal(await t.store.cancel(t.key(), token.fence - 1), 'changed')
      assertMatches(await renew(), { kind: 'ok', cancelled: false })
      const before = await t.snapshot()
      assert.equal(await t.store.cancel(t.key(), token.fence), 'ok')
      assert.equal(await t.store.cancel(t.key(), token.fence), 'ok')
      assertMatches(await renew(), { kind: 'ok', cancelled: true })
      assertMatches(await renew(), { kind: 'ok', cancelled: true })
      assertAnswer(await t.snapshot(), before)
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'x')), 'ok')
    },
  },
  {
    name: 'cancel is not inherited by the next attempt',
    needsMs: lapseMs,
    async run(t) {
      const token = await t.token({ leaseMs: shortLeaseMs })
      await t.store.cancel(t.key(), token.fence)
      await t.lapse()
      const next = await t.token({ owner: 'b' })
      assertMatches(await t.store.renew(t.key(), next, { leaseMs: longLeaseMs }), { cancelled: false })
      const broken = await t.token({ key: 'broken' })
      await t.store.cancel(t.key('broken'), broken.fence)
      await t.release(broken, 'broken', 0, 'broken')
      const again = await t.token({ key: 'broken', owner: 'b' })
      assertMatches(await t.store.renew(t.key('broken'), again, { leaseMs: longLeaseMs }), { cancelled: false })
    },
  },
  {
    name: 'cancel refuses what does not run',
    async run(t) {
      const token = await t.token()
      await t.store.complete(t.key(), token, piece(0, 'x'))
      assert.equal(await t.store.cancel(t.key(), token.fence), 'refused')
      const open = await t.end('failed', { key: 'open' })
      assert.equal(await t.store.cancel(t.key('open'), open.fence), 'refused')
    },
  },
  {
    name: 'an operator sees what a record is',
    needsMs: 1_000,
    async run(t) {
      const label = { key: 'order-42', operation: 'default', tenant: 'tenant00', method: 'POST', path: '/v1' }
      const claimedAt = await t.store.now()
      const token = await t.token({ label })
      await t.pass(1_000)
      const view = await t.store.get(t.key())
      if (view === undefined) assert.fail('absent')
      const { claimedAtMs, leaseLeftMs, expiresAtMs, ...rest } = view
      const seen = { id: t.key(), fence: token.fence, attempt: 1, maxAttempts: 3, onCrash: 'rerun', sent: true, label }
      assertAnswer(rest, { ...seen, state: 'running', lengthBytes: 0, steps: 0 })
      t.near(claimedAtMs, claimedAt, 'claimedAtMs')
      t.near(leaseLeftMs, longLeaseMs - 1_000, 'leaseLeftMs')
      t.near(expiresAtMs, claimedAt + longLeaseMs + longRetentionMs, 'expiresAtMs')
    },
  },
  {
    name: 'a lapsed lease is shown as a negative rest',
    needsMs: shortLeaseMs + 1_000,
    async run(t) {
      await t.acquire({ leaseMs: shortLeaseMs })
      await t.pass(shortLeaseMs + 1_000)
      t.near((await t.store.get(t.key()))?.leaseLeftMs, -1_000, 'leaseLeftMs')
    },
  },
]
