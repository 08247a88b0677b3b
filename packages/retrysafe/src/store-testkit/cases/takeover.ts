import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, shortLeaseMs } from '../durations.ts'
import { bytesOf, piece, step } from '../trial.ts'

const short = { leaseMs: shortLeaseMs }

export const takeoverCases: readonly KitCase[] = [
  {
    name: 'I1 a takeover comes only after lease and grace',
    needsMs: lapseMs,
    async run(t) {
      const first = await t.token(short)
      await t.pass(shortLeaseMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'running', leaseLeftMs: 0 })
      await t.pass(lapseMs - shortLeaseMs - t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'running' })
      await t.passSurely(t.edgeMs)
      const second = await t.acquire({ owner: 'b' })
      assertMatches(second, { attempt: 2, sent: true })
      assert.ok(second.token.fence > first.fence, 'the fence did not rise')
      assertMatches(await t.store.renew(t.key(), first, { leaseMs: longLeaseMs }), { kind: 'lost' })
    },
  },
  {
    name: 'I1 a takeover counts from the last renewal, and by its lease',
    needsMs: lapseMs,
    async run(t) {
      const token = await t.token()
      assertAnswer(await t.store.renew(t.key(), token, short), { kind: 'ok', cancelled: false, followed: false })
      await t.pass(lapseMs - t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'running' })
      await t.passSurely(t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'acquired' })
    },
  },
  {
    name: 'I1 a renewal keeps the record',
    needsMs: lapseMs + 1_500,
    async run(t) {
      const token = await t.token(short)
      await t.pass(1_500)
      assertMatches(await t.store.renew(t.key(), token, { leaseMs: longLeaseMs }), { kind: 'ok' })
      await t.lapse()
      const answer = await t.claim({ owner: 'b' })
      assertMatches(answer, { kind: 'running' })
      t.near(answer.kind === 'running' ? answer.leaseLeftMs : -1, longLeaseMs - lapseMs - t.slackMs, 'leaseLeftMs')
    },
  },
  {
    name: 'I1 a takeover comes after the grace alone once the lease was given up',
    needsMs: 2_000,
    async run(t) {
      const token = await t.token()
      await t.store.renew(t.key(), token, { leaseMs: 0 })
      await t.pass(2_000 - t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'running' })
      await t.passSurely(t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'acquired', attempt: 2 })
    },
  },
  {
    name: 'I1 a takeover does not come when only the wall clock jumps',
    needs: 'jumpWall',
    async run(t) {
      await t.acquire()
      t.harness.jumpWall?.(864_000_000)
      const answer = await t.claim({ owner: 'b' })
      assertMatches(answer, { kind: 'running' })
      t.near(answer.kind === 'running' ? answer.leaseLeftMs : -1, longLeaseMs, 'leaseLeftMs')
    },
  },
  {
    name: 'I1 the fence rises after a takeover, a tombstone and a deletion',
    needsMs: lapseMs,
    async run(t) {
      const fences = [(await t.end('free')).fence, (await t.token({ owner: 'b', ...short })).fence]
      await t.lapse()
      fences.push((await t.token({ owner: 'c' })).fence)
      await t.store.purge(t.key(), fences[2] ?? 0, { force: true })
      fences.push((await t.token({ owner: 'd' })).fence)
      assertAnswer(
        fences.map((fence, at) => at === 0 || fence > (fences[at - 1] ?? 0)),
        [true, true, true, true],
      )
    },
  },
  {
    name: 'I1 the fence rises even when the wall clock was set back',
    needs: 'jumpWall',
    needsMs: lapseMs,
    async run(t) {
      const first = await t.token()
      t.harness.jumpWall?.(-86_400_000)
      await t.release(first, 'free')
      const second = await t.token({ owner: 'b', ...short })
      await t.lapse()
      const third = await t.token({ owner: 'c' })
      assert.ok(second.fence > first.fence, 'the fence did not rise after a deletion')
      assert.ok(third.fence > second.fence, 'the fence did not rise at the takeover')
    },
  },
  {
    name: 'I1 a token is another with another owner or another fence',
    async run(t) {
      const token = await t.token()
      const strangers = [
        { ...token, owner: t.owner('b') },
        { ...token, fence: token.fence + 1 },
        { ...token, fence: token.fence - 1 },
      ]
      for (const stranger of strangers) {
        assertAnswer(await t.store.renew(t.key(), stranger, { leaseMs: 1_000, sent: true }), { kind: 'lost' })
        assertAnswer(await t.store.append(t.key(), stranger, piece(0, 'x')), { kind: 'lost' })
        assert.equal(await t.store.complete(t.key(), stranger, piece(0, 'x')), 'lost')
        assert.equal(await t.release(stranger, 'free'), 'lost')
        assertAnswer(await t.store.stepStart(t.key(), stranger, step()), { kind: 'lost' })
        assertAnswer(await t.store.stepPut(t.key(), stranger, { id: 's', value: bytesOf('x') }), { kind: 'lost' })
      }
      assertMatches(await t.store.get(t.key()), { state: 'running', lengthBytes: 0, steps: 0 })
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'x')), 'ok')
    },
  },
  {
    name: 'I8 a takeover begins an empty log, and the old generation has ended',
    needsMs: lapseMs,
    async run(t) {
      const first = await t.token(short)
      await t.store.append(t.key(), first, piece(0, 'old'))
      await t.lapse()
      const second = await t.token({ owner: 'b' })
      assertMatches(await t.store.read(t.key(), second.fence, 0, 100), { kind: 'bytes', lengthBytes: 0, sealed: false })
      const ended = { kind: 'ended', state: 'running', cooldownMs: 0 }
      assertAnswer(await t.store.read(t.key(), first.fence, 0, 100), ended)
      assertMatches(await t.store.append(t.key(), second, piece(0, 'new')), { kind: 'ok', lengthBytes: 3 })
      assertAnswer(await t.store.read(t.key(), first.fence, 0, 100), ended)
      assert.equal(await t.log(second.fence), 'new')
    },
  },
  {
    name: 'I6 a zombie is told lost after its successor completed, was released or freed the key',
    needsMs: lapseMs,
    async run(t) {
      const ends = ['complete', 'failed', 'free', 'cancelled'] as const
      const zombies = new Map<string, Awaited<ReturnType<typeof t.token>>>()
      for (const key of ends) zombies.set(key, await t.token({ key, ...short }))
      await t.lapse()
      for (const key of ends) {
        const zombie = zombies.get(key) ?? assert.fail()
        const token = await t.token({ key, owner: 'b' })
        if (key === 'complete') await t.store.complete(t.key(key), token, piece(0, 'new'))
        else await t.release(token, key, 0, key)
        assert.equal(await t.store.complete(t.key(key), zombie, piece(0, 'zombie')), 'lost', key)
        assert.equal(await t.release(zombie, 'free', 0, key), 'lost', key)
        assertAnswer(await t.store.renew(t.key(key), zombie, { leaseMs: longLeaseMs }), { kind: 'lost' })
      }
      // Any deletion after a takeover leaves a tombstone.
      assertAnswer(await Promise.all(ends.map(key => t.state(key))), ['completed', 'open', 'purged', 'purged'])
    },
  },
  {
    name: 'I1 a lapsed owner whom nobody took over goes on and completes',
    needsMs: 2 * lapseMs,
    async run(t) {
      const token = await t.token(short)
      await t.lapse()
      assertMatches(await t.store.renew(t.key(), token, short), { kind: 'ok' })
      await t.lapse()
      assertMatches(await t.store.append(t.key(), token, piece(0, 'x')), { kind: 'ok' })
      assert.equal(await t.store.complete(t.key(), token, piece(1, 'y')), 'ok')
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: 'xy' } })
    },
  },
]
