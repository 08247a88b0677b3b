import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, shortLeaseMs, shortRetentionMs } from '../durations.ts'
import { bytesOf, fingerprint, piece, step } from '../trial.ts'

const brief = { retentionMs: shortRetentionMs }
const fleeting = { ...brief, leaseMs: shortLeaseMs }

export const expiryCases: readonly KitCase[] = [
  {
    name: 'I9 an outcome is served until the retention is over, and never after',
    needsMs: shortRetentionMs + 500,
    async run(t) {
      const token = await t.token(brief)
      await t.pass(500)
      await t.store.complete(t.key(), token, piece(0, 'x'))
      await t.pass(shortRetentionMs - t.edgeMs)
      await t.store.sweep(100)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed' })
      await t.passSurely(t.edgeMs)
      assert.equal(await t.state(), 'absent')
      const ended = { kind: 'ended', state: 'absent', cooldownMs: 0 }
      assertAnswer(await t.store.read(t.key(), token.fence, 0, 10), ended)
      const listed = (await t.store.list({ limit: 1_000 })).records
      assert.ok(!listed.some(record => record.id === t.key()), 'an expired record is listed')
      assertAnswer(await t.claim({ owner: 'c', ...brief, raw: 'raw-2' }).then(answer => answer.kind), 'acquired')
      assertMatches(await t.store.get(t.key()), { attempt: 1, lengthBytes: 0 })
    },
  },
  {
    name: 'I9 what has expired takes no write of its token',
    needsMs: lapseMs + shortRetentionMs,
    async run(t) {
      const token = await t.token(fleeting)
      await t.lapse()
      await t.passSurely(shortRetentionMs)
      assertAnswer(await t.store.renew(t.key(), token, { leaseMs: longLeaseMs }), { kind: 'lost' })
      assertAnswer(await t.store.append(t.key(), token, piece(0, 'x')), { kind: 'lost' })
      assertAnswer(await t.store.stepStart(t.key(), token, step()), { kind: 'lost' })
      const late = await t.store.complete(t.key(), token, piece(0, 'x'))
      assert.equal(late, 'lost')
      assert.equal(await t.state(), 'absent')
    },
  },
  {
    name: 'I9 a claim that comes again after its record expired begins anew: its old token is worth nothing',
    needsMs: lapseMs + shortRetentionMs,
    async run(t) {
      const token = await t.token({ ...fleeting, owner: 'a' })
      await t.lapse()
      await t.passSurely(shortRetentionMs)
      const answer = await t.claim({ ...brief, owner: 'a' })
      assertMatches(answer, { kind: 'acquired', attempt: 1 })
      assert.ok(answer.kind === 'acquired' && answer.token.fence > token.fence, 'the dead token was given out again')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'x')), 'lost')
      assert.equal(await t.store.complete(t.key(), answer.token, piece(0, 'y')), 'ok')
    },
  },
  {
    name: 'I9 a running record never goes under a live lease, whatever the wall clock does',
    needs: 'jumpWall',
    async run(t) {
      const token = await t.token(brief)
      t.harness.jumpWall?.(864_000_000)
      assert.equal(await t.store.sweep(100), 0)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'running' })
      assert.equal(await t.state(), 'running')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'x')), 'ok')
    },
  },
  {
    name: 'I9 the end of a running record moves with each renewal',
    needsMs: 4 * 1_200 + lapseMs + shortRetentionMs,
    async run(t) {
      const token = await t.token(fleeting)
      for (let beat = 0; beat < 4; beat++) {
        await t.pass(1_200)
        assertMatches(await t.store.renew(t.key(), token, { leaseMs: shortLeaseMs }), { kind: 'ok' })
        await t.store.sweep(100)
        assert.equal(await t.state(), 'running')
        const end = (await t.store.now()) + shortLeaseMs + shortRetentionMs
        t.near((await t.store.get(t.key()))?.expiresAtMs, end, 'expiresAtMs')
      }
      await t.pass(shortLeaseMs + shortRetentionMs - t.edgeMs)
      assert.equal(await t.state(), 'running')
      await t.passSurely(t.edgeMs)
      assert.equal(await t.state(), 'absent')
    },
  },
  {
    name: 'I9 a lapsed record is gone only a retention after its lease',
    needsMs: shortLeaseMs + 4_000,
    async run(t) {
      await t.acquire({ leaseMs: shortLeaseMs, retentionMs: 4_000 })
      await t.pass(shortLeaseMs + 4_000 - t.edgeMs)
      await t.store.sweep(100)
      assert.equal(await t.state(), 'running')
      await t.passSurely(t.edgeMs)
      assert.equal(await t.state(), 'absent')
    },
  },
  {
    name: 'I9 an open and an unknown record live for the retention',
    needsMs: shortRetentionMs,
    async run(t) {
      await t.end('broken', { key: 'open', ...brief })
      await t.end('broken', { key: 'unknown', onCrash: 'fail', ...brief })
      await t.pass(shortRetentionMs - t.edgeMs)
      assertAnswer([await t.state('open'), await t.state('unknown')], ['open', 'unknown'])
      await t.passSurely(t.edgeMs)
      assertAnswer([await t.state('open'), await t.state('unknown')], ['absent', 'absent'])
      assertMatches(await t.acquire({ key: 'open', owner: 'b', raw: 'raw-2' }), { attempt: 1 })
      assertMatches(await t.acquire({ key: 'unknown', owner: 'b', raw: 'raw-2' }), { attempt: 1, sent: true })
    },
  },
  {
    name: 'I9 no step of an expired record is served, and a record that began anew begins them anew',
    needsMs: shortRetentionMs,
    async run(t) {
      const token = await t.token(brief)
      await t.store.stepStart(t.key(), token, step())
      await t.store.stepPut(t.key(), token, { id: 's', value: bytesOf('v') })
      await t.store.complete(t.key(), token, piece(0, 'x'))
      await t.pass(shortRetentionMs - t.edgeMs)
      assertMatches(await t.store.stepGet(t.key(), 's'), { kind: 'exists' })
      await t.passSurely(t.edgeMs)
      assertAnswer(await t.store.stepGet(t.key(), 's'), { kind: 'absent' })
      const next = await t.token({ owner: 'b' })
      const begun = await t.store.stepStart(t.key(), next, step({ input: fingerprint('input j') }))
      assertAnswer(begun, { kind: 'begun', attempt: 1 })
    },
  },
  {
    name: 'I1 the fence rises past that of an expired record',
    needsMs: lapseMs + shortRetentionMs,
    async run(t) {
      const first = await t.token(fleeting)
      await t.lapse()
      await t.passSurely(shortRetentionMs)
      const second = await t.token({ owner: 'b' })
      assert.ok(second.fence > first.fence, 'the fence did not rise')
      assert.equal(await t.store.complete(t.key(), first, piece(0, 'late')), 'lost')
      assert.equal(await t.state(), 'running')
    },
  },
  {
    name: 'the clock goes on as time passes',
    needsMs: 1_000,
    async run(t) {
      const before = await t.store.now()
      await t.pass(1_000)
      t.near((await t.store.now()) - before, 1_000, 'now')
    },
  },
]
