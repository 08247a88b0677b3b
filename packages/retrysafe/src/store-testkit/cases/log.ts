import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, longRetentionMs, shortLeaseMs } from '../durations.ts'
import { createRandom } from '../random.ts'
import { piece } from '../trial.ts'

/** Offset, text of the last piece, and what the sealed log is after `abcd` and `efgh`. */
const cuts = [
  [0, 'head', 'head'],
  [3, 'X', 'abcX'],
  [5, '', 'abcde'],
  [8, 'X', 'abcdefghX'],
] as const

export const logCases: readonly KitCase[] = [
  {
    name: 'I8 append adds at the end',
    async run(t) {
      const token = await t.token()
      assertAnswer(await t.store.append(t.key(), token, piece(0, 'ab')), {
        kind: 'ok',
        lengthBytes: 2,
        followed: false,
      })
      assertAnswer(await t.store.append(t.key(), token, piece(2, '')), { kind: 'ok', lengthBytes: 2, followed: false })
      assertAnswer(await t.store.append(t.key(), token, piece(2, 'cde')), {
        kind: 'ok',
        lengthBytes: 5,
        followed: false,
      })
      assert.equal(await t.log(token.fence, 'k', 2), 'abcde')
      assert.equal((await t.store.get(t.key()))?.lengthBytes, 5)
    },
  },
  {
    name: 'I7 append knows what it has',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'abcd'))
      assertAnswer(await t.store.append(t.key(), token, piece(0, 'abcd')), { kind: 'dup' })
      assertAnswer(await t.store.append(t.key(), token, piece(1, 'bc')), { kind: 'dup' })
      assertAnswer(await t.store.append(t.key(), token, piece(2, 'cd')), { kind: 'dup' })
      assert.equal(await t.log(token.fence), 'abcd')
    },
  },
  {
    name: 'I8 append refuses a hole and a partial overlap, and says how long the log is',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'abcd'))
      assertAnswer(await t.store.append(t.key(), token, piece(5, 'f')), { kind: 'gap', lengthBytes: 4 })
      assertAnswer(await t.store.append(t.key(), token, piece(2, 'cdef')), { kind: 'gap', lengthBytes: 4 })
      assert.equal(await t.log(token.fence), 'abcd')
    },
  },
  {
    name: 'append does not move the lease',
    needsMs: lapseMs,
    async run(t) {
      const token = await t.token({ leaseMs: shortLeaseMs })
      await t.pass(lapseMs - t.edgeMs)
      assertMatches(await t.store.append(t.key(), token, piece(0, 'a')), { kind: 'ok' })
      await t.passSurely(t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'acquired', attempt: 2 })
    },
  },
  {
    name: 'I1 append is lost once the record is not running, or unknown to the store',
    async run(t) {
      const token = await t.token()
      await t.store.complete(t.key(), token, piece(0, 'a'))
      assertAnswer(await t.store.append(t.key(), token, piece(1, 'b')), { kind: 'lost' })
      assertAnswer(await t.store.append(t.key('nobody'), token, piece(0, 'b')), { kind: 'lost' })
      assert.equal(await t.log(token.fence), 'a')
    },
  },
  {
    name: 'I8 what was written is read back byte for byte, in whatever pieces',
    async run(t) {
      const random = createRandom(20_240_101)
      for (let round = 0; round < 12; round++) {
        const key = `round-${round}`
        const bytes = Uint8Array.from({ length: random.below(300) }, () => random.below(256))
        const token = await t.token({ key })
        for (let offsetBytes = 0; offsetBytes < bytes.byteLength; ) {
          const part = bytes.subarray(offsetBytes, offsetBytes + 1 + random.below(80))
          await t.store.append(t.key(key), token, { offsetBytes, bytes: part })
          offsetBytes += part.byteLength
        }
        const whole = Buffer.from(bytes).toString('latin1')
        assert.equal(await t.log(token.fence, key, 1 + random.below(90)), whole)
        await t.store.complete(t.key(key), token, { offsetBytes: bytes.byteLength, bytes: new Uint8Array(0) })
        assertMatches(await t.claim({ key, owner: 'b' }), { kind: 'completed', log: { bytes: whole } })
      }
    },
  },
  {
    name: 'I2 complete seals the log, and the retention runs from there',
    needsMs: 2_000,
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'abc'))
      await t.pass(2_000)
      assert.equal(await t.store.complete(t.key(), token, piece(3, 'def')), 'ok')
      const at = await t.store.now()
      assert.equal(await t.log(token.fence), 'abcdef')
      assertAnswer(await t.store.read(t.key(), token.fence, 6, 10), {
        kind: 'bytes',
        bytes: '',
        lengthBytes: 6,
        sealed: true,
        lapsed: false,
      })
      const view = await t.store.get(t.key())
      assertMatches(view, { state: 'completed', lengthBytes: 6 })
      assert.ok(view !== undefined && !('leaseLeftMs' in view), 'a completed record has no lease')
      t.near(view.completedAtMs, at, 'completedAtMs')
      t.near(view.expiresAtMs, at + longRetentionMs, 'expiresAtMs')
    },
  },
  ...cuts.map(
    ([offset, text, whole]): KitCase => ({
      name: `I2 complete cuts the log to its offset ${offset}`,
      async run(t) {
        const token = await t.token()
        await t.store.append(t.key(), token, piece(0, 'abcd'))
        await t.store.append(t.key(), token, piece(4, 'efgh'))
        assert.equal(await t.store.complete(t.key(), token, piece(offset, text)), 'ok')
        assert.equal(await t.log(token.fence), whole)
        assert.equal((await t.store.get(t.key()))?.lengthBytes, whole.length)
        assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: whole } })
      },
    }),
  ),
  {
    name: 'I2 complete takes an empty log',
    async run(t) {
      assert.equal(await t.store.complete(t.key(), await t.token(), piece(0, '')), 'ok')
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { lengthBytes: 0, bytes: '' } })
    },
  },
  {
    name: 'I2 complete refuses to build on bytes that are not there, and leaves the record running',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'ab'))
      assert.equal(await t.store.complete(t.key(), token, piece(3, 'd', 'canonical-1')), 'gap')
      assert.equal(await t.state(), 'running')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'head')), 'ok')
    },
  },
  {
    name: 'I2 the second complete is dup, whatever it says, and every replay the same',
    needsMs: 300,
    async run(t) {
      const token = await t.token()
      await t.store.complete(t.key(), token, piece(0, 'first'))
      const before = await t.snapshot()
      await t.pass(300)
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'first')), 'dup')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'second')), 'dup')
      assert.equal(await t.store.complete(t.key(), token, piece(900, 'third')), 'dup')
      assertAnswer(await t.snapshot(), before)
      for (const owner of ['b', 'c', 'd']) {
        assertMatches(await t.claim({ owner }), { kind: 'completed', log: { bytes: 'first' } })
      }
    },
  },
  {
    name: 'I5 every claim before expiry answers the outcome that was acknowledged',
    needsMs: 5_000,
    async run(t) {
      await t.store.complete(t.key(), await t.token({ leaseMs: shortLeaseMs }), piece(0, 'kept'))
      for (let at = 0; at < 5; at++) {
        await t.pass(1_000)
        await t.store.sweep(100)
        const answer = await t.claim({ owner: `asks-${at}`, leaseMs: shortLeaseMs, onCrash: 'fail', maxAttempts: 1 })
        assertMatches(answer, { kind: 'completed', log: { bytes: 'kept' } })
      }
    },
  },
  {
    name: 'I2 a late complete heals an unknown record, by the same token only',
    needsMs: lapseMs,
    async run(t) {
      const token = await t.token({ onCrash: 'fail', leaseMs: shortLeaseMs })
      await t.store.append(t.key(), token, piece(0, 'ab', 'canonical-1'))
      await t.store.renew(t.key(), token, { leaseMs: shortLeaseMs, sent: true })
      await t.lapse()
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'unknown' })
      assert.equal(await t.store.complete(t.key(), { ...token, owner: t.owner('b') }, piece(2, 'c')), 'lost')
      assert.equal(await t.state(), 'unknown')
      assert.equal(await t.store.complete(t.key(), token, piece(2, 'c')), 'ok')
      assert.equal(await t.log(token.fence), 'abc')
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: 'abc' } })
      const spelled = { owner: 'b', raw: 'raw-2', canonical: 'canonical-1' }
      assertMatches(await t.claim(spelled), { kind: 'completed' })
    },
  },
  {
    name: 'I2 complete is lost for a record that nobody knows',
    async run(t) {
      assert.equal(await t.store.complete(t.key(), { fence: 1, owner: t.owner() }, piece(0, 'x')), 'lost')
      assert.equal(await t.state(), 'absent')
    },
  },
  {
    name: 'the longest lease and an append of 1 MiB are taken',
    async run(t) {
      const token = await t.token({ leaseMs: 3_600_000, retentionMs: 2_592_000_000, maxAttempts: 100 })
      const text = 'x'.repeat(1_048_576)
      assertMatches(await t.store.append(t.key(), token, piece(0, text)), { kind: 'ok', lengthBytes: 1_048_576 })
      assertMatches(await t.store.renew(t.key(), token, { leaseMs: longLeaseMs }), { kind: 'ok' })
      assert.equal(await t.store.complete(t.key(), token, piece(1_048_576, 'end')), 'ok')
      assert.equal(await t.log(token.fence, 'k', 262_144), `${text}end`)
    },
  },
]
