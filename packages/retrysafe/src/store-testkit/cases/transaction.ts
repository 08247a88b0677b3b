import assert from 'node:assert/strict'
import type { Token } from '../../engine/record.ts'
import { assertAnswer, assertBetween, assertMatches, assertRejects } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longRetentionMs, shortLeaseMs } from '../durations.ts'
import { piece, type Trial } from '../trial.ts'

/** Completes in the store's own transaction; a store that is transactional has `completeIn`. */
function completeIn(t: Trial, tx: unknown, token: Token, text: string, offsetBytes = 0): Promise<void> {
  assert.ok(t.store.completeIn, 'the store is transactional and has no completeIn')
  return t.store.completeIn(tx, t.key(), token, piece(offsetBytes, text))
}

/** One effect and the outcome in one transaction. */
function act(t: Trial, effect: string, token: Token, text: string): Promise<void> {
  return t.transactions.run(async (tx, write) => {
    await write(t.name(effect))
    await completeIn(t, tx, token, text)
  })
}

/** Which of the case's own effects were committed, by name. */
async function effects(t: Trial, names: readonly string[]): Promise<string[]> {
  const committed = await t.transactions.effects()
  return names.flatMap(name => committed.filter(effect => effect === t.name(name)).map(() => name))
}

export const transactionCases: readonly KitCase[] = [
  {
    name: 'I10 effect and outcome come together at the commit',
    needs: 'transactions',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'abcdef'))
      await t.transactions.run(async (tx, write) => {
        await write(t.name('e'))
        await completeIn(t, tx, token, 'X', 3)
        assert.equal(await t.state(), 'running')
        assertAnswer(await effects(t, ['e']), [])
      })
      assertAnswer(await effects(t, ['e']), ['e'])
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: 'abcX' } })
    },
  },
  {
    name: 'I10 the retention runs from the completion, not from the beginning of its transaction',
    needs: 'transactions',
    needsMs: 1_000,
    async run(t) {
      const token = await t.token()
      let fromMs = 0
      await t.transactions.run(async tx => {
        await t.pass(1_000)
        fromMs = await t.store.now()
        await completeIn(t, tx, token, 'x')
      })
      const view = await t.store.get(t.key())
      const completedAtMs = view?.completedAtMs ?? 0
      assertBetween(completedAtMs, fromMs, await t.store.now(), 'the completion')
      assert.equal(view?.expiresAtMs, completedAtMs + longRetentionMs)
    },
  },
  {
    name: 'I10 a transaction that fails after completing leaves neither effect nor outcome',
    needs: 'transactions',
    async run(t) {
      const token = await t.token()
      const failing = t.transactions.run(async (tx, write) => {
        await write(t.name('e'))
        await completeIn(t, tx, token, 'x')
        throw new Error('thought better of it')
      })
      await assert.rejects(failing, /thought better of it/)
      assertAnswer(await effects(t, ['e']), [])
      assert.equal(await t.state(), 'running')
      assert.equal(await t.store.complete(t.key(), token, piece(0, 'y')), 'ok')
    },
  },
  {
    name: 'I10 the effect of a token that was taken over is rolled back',
    needs: 'transactions',
    needsMs: lapseMs,
    async run(t) {
      const zombie = await t.token({ leaseMs: shortLeaseMs })
      await t.lapse()
      const token = await t.token({ owner: 'b' })
      await assertRejects(act(t, "zombie's", zombie, 'old'), 'LEASE_LOST', 'the transaction of a zombie')
      assertAnswer(await effects(t, ["zombie's"]), [])
      assertMatches(await t.store.get(t.key()), { state: 'running', fence: token.fence, lengthBytes: 0 })
      await act(t, "successor's", token, 'new')
      assertAnswer(await effects(t, ["zombie's", "successor's"]), ["successor's"])
    },
  },
  {
    name: 'I10 the effect of a token that is taken over inside its transaction is rolled back',
    needs: 'transactions',
    needsMs: lapseMs,
    async run(t) {
      const zombie = await t.token({ leaseMs: shortLeaseMs })
      const acting = t.transactions.run(async (tx, write) => {
        await write(t.name("zombie's"))
        await t.lapse()
        await t.acquire({ owner: 'b' })
        await completeIn(t, tx, zombie, 'old')
      })
      await assertRejects(acting, 'LEASE_LOST', 'the transaction of a zombie')
      assertAnswer(await effects(t, ["zombie's"]), [])
      assert.equal(await t.state(), 'running')
    },
  },
  {
    name: 'I10 a second transaction of the same token is rolled back, also when it says the same',
    needs: 'transactions',
    async run(t) {
      const token = await t.token()
      await act(t, 'first', token, 'x')
      await assertRejects(act(t, 'second', token, 'x'), 'LEASE_LOST', 'the second transaction')
      await assertRejects(act(t, 'third', token, 'y'), 'LEASE_LOST', 'the third transaction')
      assertAnswer(await effects(t, ['first', 'second', 'third']), ['first'])
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: 'x' } })
    },
  },
  {
    name: 'I10 of many transactions of one token at once exactly one commits',
    needs: 'transactions',
    async run(t) {
      const token = await t.token()
      const names = ['0', '1', '2', '3', '4']
      const settled = await Promise.allSettled(names.map(name => act(t, name, token, `outcome ${name}`)))
      const [won, ...rest] = await effects(t, names)
      assertAnswer(rest, [])
      assertAnswer(
        settled.map(({ status }) => status),
        names.map(name => (name === won ? 'fulfilled' : 'rejected')),
      )
      assertMatches(await t.claim({ owner: 'b' }), { kind: 'completed', log: { bytes: `outcome ${won}` } })
    },
  },
  {
    name: 'I10 the effect of a released or purged token is rolled back',
    needs: 'transactions',
    async run(t) {
      const released = await t.end('free')
      await assertRejects(act(t, 'released', released, 'x'), 'LEASE_LOST', 'after a release')
      assert.equal(await t.state(), 'absent')
      const purged = await t.token({ owner: 'b' })
      await t.store.purge(t.key(), purged.fence, { force: true })
      await assertRejects(act(t, 'purged', purged, 'x'), 'LEASE_LOST', 'after a purge')
      assert.equal(await t.state(), 'purged')
      assertAnswer(await effects(t, ['released', 'purged']), [])
    },
  },
  {
    name: 'I10 an outcome that builds on bytes that are not there is rolled back',
    needs: 'transactions',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'ab'))
      const acting = t.transactions.run(async (tx, write) => {
        await write(t.name('e'))
        await completeIn(t, tx, token, 'd', 3)
      })
      await assert.rejects(acting)
      assertAnswer(await effects(t, ['e']), [])
      assertMatches(await t.store.get(t.key()), { state: 'running', lengthBytes: 2 })
    },
  },
]
