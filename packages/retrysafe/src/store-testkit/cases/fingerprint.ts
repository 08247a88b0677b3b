import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, shortCooldownMs, shortLeaseMs } from '../durations.ts'
import { fingerprint, piece } from '../trial.ts'

/** Another spelling, whose canonical form is not said; another request; another spelling of the same request. */
const strange = { owner: 'b', raw: 'raw-2' }
const foreign = { ...strange, canonical: 'canonical-2' }
const spelled = { ...strange, canonical: 'canonical-1' }
const mismatch = { kind: 'mismatch' }

export const fingerprintCases: readonly KitCase[] = [
  {
    name: 'I3 another spelling is undecided in running while one side is missing, then decided',
    async run(t) {
      const token = await t.token()
      const undecided = { kind: 'undecided', fence: token.fence }
      assertAnswer(await t.claim(strange), undecided)
      assertAnswer(await t.claim(spelled), undecided)
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs, canonical: fingerprint('canonical-1') })
      assertAnswer(await t.claim(strange), undecided)
      assertMatches(await t.claim(spelled), { kind: 'running' })
      assertAnswer(await t.claim(foreign), mismatch)
    },
  },
  {
    name: 'I3 a payload matches by raw alone, whatever the canonical forms say',
    async run(t) {
      await t.acquire({ canonical: 'canonical-1' })
      assertMatches(await t.claim({ owner: 'b', canonical: 'canonical-of-a-newer-version' }), { kind: 'running' })
    },
  },
  {
    name: 'I3 the first canonical form stays',
    async run(t) {
      const token = await t.token({ canonical: 'canonical-1' })
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs, canonical: fingerprint('canonical-2') })
      assertAnswer(await t.claim(foreign), mismatch)
      assertMatches(await t.claim(spelled), { kind: 'running' })
    },
  },
  ...(['append', 'complete', 'release'] as const).map(
    (way): KitCase => ({
      name: `I3 the canonical form that came with ${way} decides`,
      async run(t) {
        const token = await t.token()
        if (way === 'append') await t.store.append(t.key(), token, piece(0, 'x', 'canonical-1'))
        else if (way === 'complete') await t.store.complete(t.key(), token, piece(0, 'x', 'canonical-1'))
        else {
          const canonical = fingerprint('canonical-1')
          await t.store.release(t.key(), token, { end: 'broken', cooldownMs: 0, canonical })
        }
        assertMatches(await t.claim(strange), { kind: 'undecided' })
        assertAnswer(await t.claim(foreign), mismatch)
        const kind = { append: 'running', complete: 'completed', release: 'acquired' }[way]
        assertMatches(await t.claim(spelled), { kind })
      },
    }),
  ),
  {
    name: 'I12 nothing stays undecided past lease and grace: a lapsed row without a canonical form is a mismatch',
    needsMs: lapseMs,
    async run(t) {
      await t.acquire({ leaseMs: shortLeaseMs })
      await t.pass(lapseMs - t.edgeMs)
      assertMatches(await t.claim(strange), { kind: 'undecided' })
      await t.passSurely(t.edgeMs)
      assertAnswer(await t.claim(strange), mismatch)
      assertAnswer(await t.claim(spelled), mismatch)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'acquired', attempt: 2 })
    },
  },
  {
    name: 'I3 another payload gets nothing of a completed, an unknown and a counted open row without a canonical form',
    async run(t) {
      const completed = await t.token({ key: 'completed' })
      await t.store.complete(t.key('completed'), completed, piece(0, 'secret'))
      await t.end('broken', { key: 'unknown', onCrash: 'fail' })
      await t.end('broken', { key: 'open' })
      for (const key of ['completed', 'unknown', 'open']) {
        assertAnswer(await t.claim({ ...strange, key }), mismatch)
        assertAnswer(await t.claim({ ...foreign, key }), mismatch)
        assertMatches(await t.claim({ key, owner: 'c' }), {
          kind: { completed: 'completed', unknown: 'unknown', open: 'acquired' }[key],
        })
      }
    },
  },
  {
    name: 'I3 another payload is a mismatch and changes nothing, also where the lease has lapsed and the cap is reached',
    needsMs: lapseMs,
    async run(t) {
      await t.acquire({ canonical: 'canonical-1', maxAttempts: 1, leaseMs: shortLeaseMs })
      await t.lapse()
      const before = await t.snapshot()
      assertAnswer(await t.claim(foreign), mismatch)
      assertMatches(await t.claim(strange), { kind: 'undecided' })
      assertAnswer(await t.snapshot(), before)
      assert.equal(await t.state(), 'running')
    },
  },
  {
    name: 'I3 an uncounted open row takes another payload, but for its cooldown',
    needsMs: shortCooldownMs,
    async run(t) {
      const { fence } = await t.end('failed', {}, shortCooldownMs)
      const answer = await t.claim(strange)
      assertMatches(answer, { kind: 'cooling', fence })
      t.near(answer.kind === 'cooling' ? answer.leftMs : -1, shortCooldownMs, 'leftMs')
      await t.passSurely(shortCooldownMs)
      assertMatches(await t.claim(strange), { kind: 'acquired', attempt: 1 })
      assertMatches(await t.claim({ owner: 'c' }), { kind: 'undecided' })
    },
  },
  {
    name: 'cooling answers every matching claim of a counted open row until its cooldown is over',
    needsMs: shortCooldownMs,
    async run(t) {
      const { fence } = await t.end('broken', {}, shortCooldownMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'cooling', fence })
      await t.pass(shortCooldownMs - t.edgeMs)
      const answer = await t.claim({ owner: 'c' })
      assertMatches(answer, { kind: 'cooling', fence })
      t.near(answer.kind === 'cooling' ? answer.leftMs : -1, t.edgeMs, 'leftMs')
      await t.passSurely(t.edgeMs)
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'acquired', attempt: 2 })
    },
  },
]
