import { storeKey } from 'retrysafe/internal/engine/identity'
import type { Store } from 'retrysafe/internal/engine/store'
import { expect, test } from 'vitest'
import { ManualTime } from '../../../retrysafe/test/support/manual-time.ts'
import { findOffer } from '../../src/proxy/keyless/find-offer.ts'
import type { PairableCall } from '../../src/proxy/keyless/pairable-call.ts'
import { type Stay, Stays } from '../../src/proxy/keyless/stays.ts'
import type { ProxyParts } from '../../src/proxy/parts.ts'

const offered = { key: 'sdk-drawn', storeKey: storeKey('tenant', 'openai', 'sdk-drawn'), fence: 7 }
const predecessor: Stay = {
  abandonedAtMs: Number.POSITIVE_INFINITY,
  isLeaving: true,
  pairKey: async () => 'pair',
  abandon() {},
}

/** A retry that looks for its predecessor's offer. `answerTake` is what the store does with each `take`. */
function look(answerTake: (stays: Stays, isOffered: () => boolean, offer: () => void) => Promise<boolean>): {
  found: ReturnType<typeof findOffer>
  stays: Stays
  time: ManualTime
} {
  const time = new ManualTime()
  const { surroundings } = time.process()
  const stays = new Stays(surroundings.clock, surroundings.timers)
  stays.add('0', predecessor)
  let isThere = false
  const offer = (): void => {
    isThere = true
    stays.offered('0', 'pair')
    stays.remove('0', predecessor)
  }
  const store: Pick<Store, 'take' | 'get'> = {
    async take() {
      const isTaken = await answerTake(stays, () => isThere, offer)
      return isTaken ? { kind: 'taken', key: offered.storeKey, fence: offered.fence } : { kind: 'none' }
    },
    get: async () => ({ label: { key: offered.key } }) as Awaited<ReturnType<Store['get']>>,
  }
  const outage = { isCertain: false }
  const parts = { pairing: { stays, surroundings }, engine: { store }, storeWatch: { outage } }
  const response = { destroyed: false, on() {} }
  const routed = { response, route: { upstream: { name: 'openai' } } }
  const call = { count: 1, tenant: 'tenant', routed, place: String, pairKey: async () => 'pair' }
  const found = findOffer(parts as unknown as ProxyParts, call as unknown as PairableCall)
  return { found, stays, time }
}

test('an offer that is made while the store’s “none” is on its way is found', async () => {
  const { found } = look(async (_, isOffered, offer) => {
    const isThere = isOffered()
    if (!isThere) offer()
    return isThere
  })
  expect(await found).toEqual(offered)
})

test('the same where others of its kind stay on: the wait for them ends with one more look', async () => {
  const { found, time } = look(async (stays, isOffered, offer) => {
    const isThere = isOffered()
    stays.add('0', { ...predecessor, isLeaving: false })
    if (!isThere) offer()
    return isThere
  })
  await time.advance(250)
  expect(await found).toEqual(offered)
})

test('where nobody has stayed the store is asked once', async () => {
  let asked = 0
  const { found, stays } = look(async () => {
    asked++
    return false
  })
  stays.remove('0', predecessor)
  expect(await found).toBeUndefined()
  expect(asked).toBe(1)
})
