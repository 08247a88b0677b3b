import assert from 'node:assert/strict'
import { expect } from 'vitest'
import { acquireToken, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { kinds, OpenTransaction, type SqlCase, terms, whoWaits, withStore } from './sql-stage.ts'

/** Who waits for whom. */
export const lockCases: readonly SqlCase[] = [
  {
    name: 'batches that meet in the middle never wait for each other in a circle',
    run: stage =>
      withStore(stage, async store => {
        const seen = stage.serverLog().length
        const other = await OpenTransaction.begin(stage)
        assert.equal((await other.store.claim(terms('m', 'x'))).kind, 'acquired')
        const one = store.claimMany(['a', 'b', 'm', 'z'].map(name => terms(name, 'one')))
        await whoWaits(stage, 1)
        const two = store.claimMany(['z', 'y', 'x', 'a'].map(name => terms(name, 'two')))
        await whoWaits(stage, 2)
        await other.end('ROLLBACK')
        const [first, second] = [kinds(await one), kinds(await two)]
        expect(stage.serverLog().slice(seen)).not.toContain('deadlock detected')
        assert.deepEqual(first, ['acquired', 'acquired', 'acquired', 'acquired'])
        assert.deepEqual(second, ['running', 'acquired', 'acquired', 'running'])
      }),
  },
  {
    name: 'a batch whose key is freed meanwhile waits for nobody in a circle',
    run: stage =>
      withStore(stage, async store => {
        const seen = stage.serverLog().length
        const token = await acquireToken(store, terms('a', 'first'))
        const other = await OpenTransaction.begin(stage)
        await other.store.claim(terms('z', 'x'))
        const one = store.claimMany(['a', 'b', 'c', 'z'].map(name => terms(name, 'one')))
        await whoWaits(stage, 1)
        assert.equal(await store.release(keyOf('a'), token, { end: 'free', cooldownMs: 0 }), 'ok')
        const two = store.claimMany(['a', 'b', 'd', 'e'].map(name => terms(name, 'two')))
        await whoWaits(stage, 2)
        await other.end('ROLLBACK')
        const [first, second] = [kinds(await one), kinds(await two)]
        expect(stage.serverLog().slice(seen)).not.toContain('deadlock detected')
        assert.deepEqual(first, ['running', 'acquired', 'acquired', 'acquired'])
        assert.deepEqual(second, ['acquired', 'running', 'acquired', 'acquired'])
      }),
  },
  {
    name: 'a batch that waited for somebody else’s new record leaves it to him',
    run: stage =>
      withStore(stage, async store => {
        const other = await OpenTransaction.begin(stage)
        const won = await other.store.claim(terms('b', 'x'))
        assert.equal(won.kind, 'acquired')
        const batch = store.claimMany(['a', 'b', 'c', 'd'].map(name => terms(name, 'late')))
        await whoWaits(stage, 1)
        await other.end('COMMIT')
        assert.deepEqual(kinds(await batch), ['acquired', 'running', 'acquired', 'acquired'])
        assert.equal((await store.claim(terms('b', 'x'))).kind, 'acquired')
      }),
  },
  {
    name: 'a record that a transaction holds is nobody else’s, and nobody waits for it for long',
    run: stage =>
      withStore(stage, async store => {
        const key = keyOf('held')
        const token = await acquireToken(store, terms('held', 'a'))
        const other = await OpenTransaction.begin(stage)
        await other.store.renew(key, token, { leaseMs: 30_000 })
        const piece = { offsetBytes: 0, bytes: Buffer.from('x') }
        const code = (promise: Promise<unknown>): Promise<unknown> =>
          promise.then(JSON.stringify, (error: Error) => error.message.split(':')[0])
        const held = 'another transaction holds the record'
        const started = performance.now()
        const told = await Promise.all([
          code(store.renew(key, token, { leaseMs: 30_000 })),
          code(store.append(key, token, piece)),
          code(store.complete(key, token, piece)),
          code(store.release(key, token, { end: 'free', cooldownMs: 0 })),
          code(store.purge(key, token.fence, { force: true })),
        ])
        assert.deepEqual(told, ['{"kind":"busy"}', held, held, held, held])
        await stage.clock.pass(40_000)
        assert.equal((await store.claim(terms('held', 'b'))).kind, 'running')
        // Two rounds of asking for a second each; a statement of its own may last five.
        expect(performance.now() - started).toBeLessThan(4_000)
        await other.end('ROLLBACK')
        assert.equal((await store.claim(terms('held', 'b'))).kind, 'acquired')
      }),
  },
  {
    name: 'a batch of completions does not wait for a record that a transaction holds',
    run: stage =>
      withStore(stage, async store => {
        const names = ['a', 'b', 'c', 'd', 'held']
        const tokens = await Promise.all(names.map(name => acquireToken(store, terms(name, 'o'))))
        const other = await OpenTransaction.begin(stage)
        await other.store.renew(keyOf('held'), tokens[4] ?? assert.fail(), { leaseMs: 30_000 })
        const started = performance.now()
        const piece = { offsetBytes: 0, bytes: Buffer.from('x') }
        const told = await Promise.allSettled(
          names.map((name, at) => store.complete(keyOf(name), tokens[at] ?? assert.fail(), piece)),
        )
        expect(performance.now() - started).toBeLessThan(4_000)
        const answers = told.map(one => (one.status === 'fulfilled' ? one.value : one.reason.code))
        assert.deepEqual(answers, ['ok', 'ok', 'ok', 'ok', 'STORE_UNAVAILABLE'])
        await other.end('ROLLBACK')
      }),
  },
  {
    name: 'one token in two transactions, the first one rolled back: the second commits',
    run: stage =>
      withStore(stage, async store => {
        const token = await acquireToken(store, terms('k', 'a'))
        const [one, two] = [await OpenTransaction.begin(stage), await OpenTransaction.begin(stage)]
        const complete = (tx: OpenTransaction, text: string): Promise<void> =>
          store.completeIn?.(tx.client, keyOf('k'), token, { offsetBytes: 0, bytes: Buffer.from(text) }) ??
          assert.fail()
        await complete(one, 'one')
        const waiting = complete(two, 'two')
        await Promise.race([whoWaits(stage, 1), waiting])
        await one.end('ROLLBACK')
        await waiting
        await two.end('COMMIT')
        expect(await store.claim(terms('k', 'b'))).toMatchObject({
          kind: 'completed',
          log: { bytes: Buffer.from('two') },
        })
      }),
  },
  {
    name: 'a name that somebody else keeps meanwhile stays his',
    run: stage =>
      withStore(stage, async store => {
        const other = await OpenTransaction.begin(stage)
        await other.store.metaInit('name', Buffer.from('his'))
        const mine = store.metaInit('name', Buffer.from('mine'))
        await whoWaits(stage, 1)
        await other.end('COMMIT')
        assert.equal(Buffer.from(await mine).toString(), 'his')
        assert.equal(Buffer.from(await store.metaInit('name', Buffer.from('later'))).toString(), 'his')
      }),
  },
]
