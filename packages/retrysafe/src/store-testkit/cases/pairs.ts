import type { PairOffer, TakeAnswer } from '../../engine/store.ts'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import type { Trial } from '../trial.ts'

const none = { kind: 'none' }
/** Ends within a case. */
const shortTtlMs = 2_500

function offer(t: Trial, key: string, change: Partial<PairOffer> = {}, pair = 'pair'): Promise<void> {
  return t.store.offer(t.name(pair), { key: t.key(key), fence: 1, count: 0, ttlMs: 120_000, ...change })
}

function take(t: Trial, count: number, owner: string, pair = 'pair'): Promise<TakeAnswer> {
  return t.store.take(t.name(pair), { count, owner: t.owner(owner) })
}

export const pairCases: readonly KitCase[] = [
  {
    name: 'an offer is given once, to a count one higher',
    async run(t) {
      await offer(t, 'k')
      assertAnswer(await take(t, 0, 'x'), none)
      assertAnswer(await take(t, 2, 'x'), none)
      assertAnswer(await take(t, 1, 'x', 'other pair'), none)
      assertAnswer(await take(t, 1, 'x'), { kind: 'taken', key: t.key('k'), fence: 1 })
      assertAnswer(await take(t, 1, 'y'), none)
    },
  },
  {
    name: 'I7 the same taker gets the same again, and no second one',
    async run(t) {
      await offer(t, 'k1')
      await offer(t, 'k2')
      const taken = await take(t, 1, 'x')
      assertAnswer(await take(t, 1, 'x'), taken)
      assertAnswer(await take(t, 1, 'x'), taken)
      assertAnswer(await take(t, 1, 'y'), { kind: 'taken', key: t.key('k1'), fence: 1 })
      assertAnswer(await take(t, 1, 'x'), taken)
      assertAnswer(await take(t, 1, 'z'), none)
    },
  },
  {
    name: 'the newest offer is taken first',
    async run(t) {
      await offer(t, 'k1')
      await offer(t, 'k2')
      await offer(t, 'k3', { count: 5 })
      assertMatches(await take(t, 1, 'x'), { key: t.key('k2') })
      assertMatches(await take(t, 1, 'y'), { key: t.key('k1') })
      assertMatches(await take(t, 6, 'z'), { key: t.key('k3') })
    },
  },
  {
    name: 'an offer goes when its time is over',
    needsMs: shortTtlMs,
    async run(t) {
      await offer(t, 'k', { ttlMs: shortTtlMs })
      await offer(t, 'k', { ttlMs: shortTtlMs }, 'pair-2')
      await t.pass(shortTtlMs - t.edgeMs)
      assertMatches(await take(t, 1, 'x'), { kind: 'taken' })
      await t.passSurely(t.edgeMs)
      assertAnswer(await take(t, 1, 'x', 'pair-2'), none)
    },
  },
  {
    name: 'I7 an offer that was sent twice is one, also when it arrives again after it was taken',
    async run(t) {
      await offer(t, 'k')
      await offer(t, 'k')
      assertMatches(await take(t, 1, 'x'), { kind: 'taken' })
      assertAnswer(await take(t, 1, 'y'), none)
      await offer(t, 'k')
      assertAnswer(await take(t, 1, 'y'), none)
      assertMatches(await take(t, 1, 'x'), { kind: 'taken' })
    },
  },
  {
    name: 'an attempt can be offered anew by its taker under its own count',
    async run(t) {
      await offer(t, 'k')
      await take(t, 1, 'x')
      await offer(t, 'k', { count: 1 })
      assertAnswer(await take(t, 1, 'y'), none)
      assertAnswer(await take(t, 2, 'y'), { kind: 'taken', key: t.key('k'), fence: 1 })
    },
  },
  {
    name: 'a later attempt of the same record is an offer of its own',
    async run(t) {
      await offer(t, 'k', { fence: 1 })
      await offer(t, 'k', { fence: 2 })
      assertMatches(await take(t, 1, 'x'), { fence: 2 })
      assertMatches(await take(t, 1, 'y'), { fence: 1 })
    },
  },
]
