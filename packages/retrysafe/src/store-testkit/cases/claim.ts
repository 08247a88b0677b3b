import assert from 'node:assert/strict'
import { assertAnswer, assertBetween, assertMatches, tally } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { longLeaseMs, longRetentionMs } from '../durations.ts'
import { fingerprint, piece, type Trial } from '../trial.ts'

async function completedLog(t: Trial, key: string): Promise<{ lengthBytes: number; inlineBytes: number | undefined }> {
  const answer = await t.claim({ key, owner: 'b' })
  if (answer.kind !== 'completed') assert.fail(`${key} is ${answer.kind}`)
  return { lengthBytes: answer.log.lengthBytes, inlineBytes: answer.log.bytes?.byteLength }
}

export const claimCases: readonly KitCase[] = [
  {
    name: 'I1 a claim is acquired on an absent key: sent under rerun, not under fail',
    async run(t) {
      const { token, ...rest } = await t.acquire()
      assertAnswer(rest, { kind: 'acquired', attempt: 1, sent: true, onCrash: 'rerun' })
      assert.equal(token.owner, t.owner('a'))
      assertMatches(await t.acquire({ key: 'k2', onCrash: 'fail' }), { attempt: 1, sent: false, onCrash: 'fail' })
    },
  },
  {
    name: "I1 a fence is the store's clock in microseconds",
    async run(t) {
      const from = await t.store.now()
      const { fence } = await t.token()
      const to = (await t.store.now()) + t.slackMs
      assert.ok(Number.isSafeInteger(fence), `the fence ${fence} is no safe integer`)
      assertBetween(fence, (from - t.slackMs) * 1_000, (to + 1) * 1_000, 'fence')
    },
  },
  {
    name: 'I7 the same owner gets the same attempt again, and the lease does not move',
    needsMs: 10_000,
    async run(t) {
      const first = await t.acquire()
      await t.pass(10_000)
      assertAnswer(await t.claim(), first)
      const view = await t.store.get(t.key())
      assert.equal(view?.attempt, 1)
      t.near(view?.leaseLeftMs, longLeaseMs - 10_000, 'leaseLeftMs')
    },
  },
  {
    name: 'I1 everybody else is told running under a live lease',
    async run(t) {
      const { fence, owner } = await t.token()
      await t.store.append(t.key(), { fence, owner }, piece(0, 'abc'))
      const answer = await t.claim({ owner: 'b' })
      if (answer.kind !== 'running') assert.fail(answer.kind)
      const { leaseLeftMs, ...rest } = answer
      assertAnswer(rest, { kind: 'running', fence, lengthBytes: 3 })
      t.near(leaseLeftMs, longLeaseMs, 'leaseLeftMs')
    },
  },
  {
    name: 'I2 a claim after complete gets the log, its age and its end',
    needsMs: 1_200,
    async run(t) {
      const token = await t.token()
      await t.pass(500)
      await t.store.complete(t.key(), token, piece(0, 'answer'))
      const completedAt = await t.store.now()
      await t.pass(700)
      const answer = await t.claim({ owner: 'b' })
      if (answer.kind !== 'completed') assert.fail(answer.kind)
      const { ageMs, expiresAtMs, ...rest } = answer
      assertAnswer(rest, { kind: 'completed', fence: token.fence, log: { lengthBytes: 6, bytes: 'answer' } })
      t.near(ageMs, 700, 'ageMs')
      t.near(expiresAtMs, completedAt + longRetentionMs, 'expiresAtMs')
    },
  },
  {
    name: 'I2 a claim carries a log of 64 KiB, of a larger one only the length',
    async run(t) {
      const whole = await t.token({ key: 'whole' })
      await t.store.append(t.key('whole'), whole, piece(0, 'x'.repeat(40_000)))
      await t.store.complete(t.key('whole'), whole, piece(40_000, 'y'.repeat(25_536)))
      assertAnswer(await completedLog(t, 'whole'), { lengthBytes: 65_536, inlineBytes: 65_536 })
      const large = await t.token({ key: 'large' })
      await t.store.complete(t.key('large'), large, piece(0, 'x'.repeat(65_537)))
      assertAnswer(await completedLog(t, 'large'), { lengthBytes: 65_537, inlineBytes: undefined })
    },
  },
  {
    name: 'I1 claims of many keys are answered in order, the same key twice too',
    async run(t) {
      const done = await t.token({ key: 'done' })
      await t.store.complete(t.key('done'), done, piece(0, 'x'))
      const answers = await t.store.claimMany([
        t.terms({ key: 'new' }),
        t.terms({ key: 'done', owner: 'b' }),
        t.terms({ key: 'new', owner: 'b' }),
        t.terms({ key: 'done', owner: 'b', raw: 'raw-2' }),
      ])
      assertAnswer(
        answers.map(answer => answer.kind),
        ['acquired', 'completed', 'running', 'mismatch'],
      )
      assertAnswer(await t.store.claimMany([]), [])
    },
  },
  {
    name: 'I1 claims of many keys are each a claim',
    async run(t) {
      const names = Array.from({ length: 60 }, (_, at) => `many-${at}`)
      const first = await t.store.claimMany(names.map(key => t.terms({ key })))
      assertAnswer(tally(first), { acquired: 60 })
      for (const [at, answer] of first.entries()) {
        if (answer.kind === 'acquired') {
          await t.store.complete(t.key(names[at]), answer.token, piece(0, `outcome of ${at}`))
        }
      }
      const again = await t.store.claimMany(names.map(key => t.terms({ key, owner: 'b' })))
      assertAnswer(
        again.map(answer => (answer.kind === 'completed' ? answer.log.bytes : answer.kind)),
        names.map((_, at) => `outcome of ${at}`),
      )
    },
  },
  {
    name: 'a label comes back as it was said, whatever characters it has',
    async run(t) {
      const label = {
        key: 'order-42 "ü\\\n\u0000',
        operation: 'default',
        tenant: 'tenant00',
        method: 'POST',
        path: '/v1',
      }
      await t.acquire({ label })
      assertAnswer((await t.store.get(t.key()))?.label, label)
      assert.equal((await t.store.get(t.key()))?.maxAttempts, 3)
    },
  },
  ...(['failed', 'broken'] as const).map(
    (end): KitCase => ({
      name: `I7 a claim that arrives again late does not run again after a release as ${end}`,
      needsMs: 2_000,
      async run(t) {
        const { fence } = await t.end(end)
        await t.pass(2_000)
        assertMatches(await t.claim(), { kind: 'cooling', fence })
        assert.equal(await t.state(), 'open')
        assertMatches(await t.claim({ owner: 'b' }), { kind: 'acquired' })
      },
    }),
  ),
  {
    name: 'I7 a claim that arrives again late does not run again after complete',
    async run(t) {
      await t.store.complete(t.key(), await t.token(), piece(0, 'x'))
      assertMatches(await t.claim(), { kind: 'completed' })
    },
  },
  {
    name: 'I7 a claim that arrives again late does not run again after its tombstone',
    async run(t) {
      await t.end('cancelled')
      assert.notEqual((await t.claim()).kind, 'acquired')
      assert.equal(await t.state(), 'purged')
      const purged = await t.token({ key: 'purged' })
      await t.store.purge(t.key('purged'), purged.fence, { force: true })
      assert.notEqual((await t.claim({ key: 'purged' })).kind, 'acquired')
      assert.equal(await t.state('purged'), 'purged')
    },
  },
  {
    name: 'I3 tenants and payloads that share a fingerprint share nothing across keys',
    async run(t) {
      const token = await t.token({ key: 'tenant-1' })
      await t.store.complete(t.key('tenant-1'), token, piece(0, 'secret'))
      assertMatches(await t.claim({ key: 'tenant-2', owner: 'b' }), { kind: 'acquired', attempt: 1 })
      assert.equal((await t.store.get(t.key('tenant-2')))?.lengthBytes, 0)
      const twin = { ...t.terms({ owner: 'c' }), raw: fingerprint('raw-1') }
      assert.equal((await t.store.claim(twin)).kind, 'acquired')
    },
  },
]
