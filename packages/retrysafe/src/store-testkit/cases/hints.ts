import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import type { StoreKey } from '../../engine/record.ts'
import type { Store } from '../../engine/store.ts'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { longLeaseMs } from '../durations.ts'
import { fingerprint, piece, type Trial } from '../trial.ts'

/**
 * Waits until `come` says yes: at most the store's poll time and a second for the machine. The store's own clock goes
 * on by the poll time too, for stores whose timers hang on it.
 */
async function eventually(t: Trial, what: string, come: () => boolean | Promise<boolean>): Promise<void> {
  await wait(0)
  if (await come()) return
  const { pollMs } = t.store.traits
  if (Number.isFinite(t.harness.maxPassMs) === false) await t.harness.pass(pollMs)
  for (let waitedMs = 0; waitedMs <= pollMs + 1_000; waitedMs += 5) {
    if (await come()) return
    await wait(5)
  }
  assert.fail(`${what} did not come within ${pollMs} ms and a second`)
}

/** A change is told: subscribes on `from`, acts, waits for the hint. */
async function hears(t: Trial, what: string, act: () => Promise<unknown>, from: Store = t.store): Promise<void> {
  let hints = 0
  const subscription = from.subscribe(t.key(), () => {
    hints++
  })
  // A subscription of another process may need a moment to be known; what changes before is seen by the first read.
  await act()
  await eventually(t, `the hint of ${what}`, () => hints > 0)
  subscription.close()
}

async function changeAll(t: Trial, from: Store): Promise<void> {
  const token = await t.token()
  await hears(t, 'an append', () => t.store.append(t.key(), token, piece(0, 'a')), from)
  const canonical = fingerprint('canonical-1')
  await hears(t, 'a canonical form', () => t.store.renew(t.key(), token, { leaseMs: longLeaseMs, canonical }), from)
  await hears(t, 'a complete', () => t.store.complete(t.key(), token, piece(1, 'b')), from)
  await hears(t, 'a purge', () => t.store.purge(t.key(), token.fence, { force: true }), from)
  const next = await t.acquire({ owner: 'b' })
  await hears(t, 'a release', () => t.release(next.token, 'failed'), from)
  await hears(t, 'a claim', () => t.acquire({ owner: 'c' }), from)
}

/** One subscription through all of it: what it has seen already is no news. */
async function hearsAll(t: Trial, from: Store): Promise<void> {
  const token = await t.token()
  const canonical = fingerprint('canonical-1')
  const changes: readonly [string, () => Promise<unknown>][] = [
    ['an append', () => t.store.append(t.key(), token, piece(0, 'a'))],
    ['a second append', () => t.store.append(t.key(), token, piece(1, 'b'))],
    ['a canonical form', () => t.store.renew(t.key(), token, { leaseMs: longLeaseMs, canonical })],
    ['a complete', () => t.store.complete(t.key(), token, piece(2, 'c'))],
    ['a purge', () => t.store.purge(t.key(), token.fence, { force: true })],
    ['a claim', () => t.acquire({ owner: 'b' })],
  ]
  let hints = 0
  const subscription = from.subscribe(t.key(), () => {
    hints++
  })
  // A hint may come of the subscription alone.
  await eventually(t, 'the state', async () => (await from.get(t.key()))?.state === 'running')
  for (const [what, change] of changes) {
    await wait(50)
    hints = 0
    await change()
    await eventually(t, `the hint of ${what}`, () => hints > 0)
  }
  subscription.close()
}

async function followed(t: Trial): Promise<void> {
  const token = await t.token()
  const key: StoreKey = t.key()
  const renew = async (): Promise<boolean> => {
    const answer = await t.store.renew(key, token, { leaseMs: longLeaseMs })
    if (answer.kind !== 'ok') assert.fail(answer.kind)
    return answer.followed
  }
  assert.equal(await renew(), false)
  const store = t.harness.openAgain === undefined ? t.store : await t.again()
  const subscription = store.subscribe(key, () => {})
  await eventually(t, 'the follow mark', renew)
  assertMatches(await t.store.append(key, token, piece(0, 'a')), { kind: 'ok', followed: true })
  subscription.close()
  assertMatches(await t.store.append(key, token, piece(1, 'b')), { kind: 'ok', lengthBytes: 2 })
}

export const hintCases: readonly KitCase[] = [
  {
    name: 'I12 a subscriber hears of every change that a waiter could wait for',
    run: t => changeAll(t, t.store),
  },
  {
    name: 'I12 a subscriber of another handle hears of them too',
    needs: 'openAgain',
    run: async t => changeAll(t, await t.again()),
  },
  {
    name: 'I12 a subscriber of another handle that stays hears of one change after the other',
    needs: 'openAgain',
    run: async t => hearsAll(t, await t.again()),
  },
  {
    name: 'I12 the owner sees that somebody follows',
    run: followed,
  },
  {
    name: 'I12 a hint comes after its change: a listener that reads at once sees it',
    async run(t) {
      const token = await t.token()
      const seen: string[] = []
      const subscription = t.store.subscribe(t.key(), () => void t.state().then(state => seen.push(state)))
      await t.store.complete(t.key(), token, piece(0, 'x'))
      // A store may also hint for nothing, before the change.
      await eventually(t, 'that the listener saw the change', () => seen.includes('completed'))
      subscription.close()
    },
  },
  {
    name: 'a subscription that was closed gives no hint, its neighbours do',
    async run(t) {
      const token = await t.token()
      let closedHints = 0
      let openHints = 0
      const closed = t.store.subscribe(t.key(), () => {
        closedHints++
      })
      const open = t.store.subscribe(t.key(), () => {
        openHints++
      })
      closed.close()
      closed.close()
      await t.store.append(t.key(), token, piece(0, 'a'))
      await eventually(t, 'the hint of an append', () => openHints > 0)
      assert.equal(closedHints, 0)
      assert.equal((await t.store.renew(t.key(), token, { leaseMs: longLeaseMs })).kind, 'ok')
      open.close()
    },
  },
  {
    name: 'I12 what another handle wrote is seen within the poll time',
    needs: 'openAgain',
    async run(t) {
      const other = await t.again()
      const token = await t.token()
      assertMatches(await other.claim(t.terms({ owner: 'b' })), { kind: 'running', fence: token.fence })
      await t.store.append(t.key(), token, piece(0, 'abc'))
      await eventually(t, 'the append', async () => (await t.log(token.fence, 'k', 1_024, 0, other)) === 'abc')
      await t.store.complete(t.key(), token, piece(3, 'def'))
      await eventually(t, 'the outcome', async () => (await other.get(t.key()))?.state === 'completed')
      assertMatches(await other.claim(t.terms({ owner: 'b' })), { kind: 'completed', log: { bytes: 'abcdef' } })
      assertAnswer(await other.read(t.key(), token.fence, 0, 3), {
        kind: 'bytes',
        bytes: 'abc',
        lengthBytes: 6,
        sealed: true,
        lapsed: false,
      })
    },
  },
]
