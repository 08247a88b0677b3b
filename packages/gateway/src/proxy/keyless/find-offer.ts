import { goneSignal } from 'retrysafe/internal/adapters/node/gone'
import { within } from 'retrysafe/internal/engine/clock'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { ProxyParts } from '../parts.ts'
import type { Offered, PairableCall } from './pairable-call.ts'

/** A store that takes longer is as good as none: the call need not wait for it. */
const storeMs = 2_000

/**
 * Takes the offered attempt whose retry this call is, if there is one. Waits a little where its client's disconnect may
 * still be on its way. `undefined` also where the store does not answer: then the call runs as if it were a first one.
 */
export async function findOffer(parts: ProxyParts, call: PairableCall): Promise<Offered | undefined> {
  const { stays, surroundings } = parts.pairing
  const gone = goneSignal(call.routed.response)
  const before = call.place(call.count - 1)
  const sinceMs = surroundings.clock.monotonicMs()
  const owner = Buffer.from(surroundings.random.bytes(16)).toString('base64url')
  try {
    const pairKey = await call.pairKey()
    for (let mayCome = true; ; ) {
      if (gone.aborted || parts.storeWatch.outage.isCertain) return undefined
      // One that goes while the store is asked may have left an offer behind the store's answer: that is looked for, too.
      const isLast = !mayCome || !stays.isAny(before)
      const taking = take(parts, call, pairKey, owner)
      const taken = await within(taking, surroundings.timers, storeMs)
      if (taken !== 'none') return taken
      if (isLast) return undefined
      mayCome = await stays.nextOffer(before, pairKey, sinceMs, gone)
    }
  } catch {
    // Nobody else may be served by what was not found.
  }
  return undefined
}

async function take(
  { engine }: ProxyParts,
  { count, tenant, routed }: PairableCall,
  pairKey: string,
  owner: string,
): Promise<Offered | 'none' | undefined> {
  const taken = await engine.store.take(pairKey, { count, owner })
  if (taken.kind === 'none') return 'none'
  const { key: name, fence } = taken
  const key = (await engine.store.get(name))?.label.key
  // Its run has failed, and left nothing to join.
  if (key === undefined || storeKey(tenant, routed.route.upstream.name, key) !== name) return undefined
  return { key, storeKey: name, fence }
}
