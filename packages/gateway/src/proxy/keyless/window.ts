import type { Attempt } from 'retrysafe/internal/engine/attempt'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { Store } from 'retrysafe/internal/engine/store'

/** An owner for all: whoever takes what names a window gets the same. */
const everybody = 'A'.repeat(22)
/** Stores keep an offer so long at most. */
const maxOfferMs = 3_600_000

/**
 * What names the window that this run is in: the fence of its first run. A takeover knows that from an offer, which the
 * first run leaves before it begins; one that finds none may name it anew, for then nothing has begun.
 *
 * No offer outlives its window, so that no window is taken for the one before: a takeover that comes later than the
 * window is long names it anew, too.
 */
export async function windowFence(store: Store, attempt: Attempt, windowMs: number): Promise<number> {
  const { key, number, token } = attempt
  const place = storeKey('window', key, '')
  if (number > 1) {
    const named = await store.take(place, { count: 1, owner: everybody })
    if (named.kind === 'taken') return named.fence
  }
  await store.offer(place, { key, fence: token.fence, count: 0, ttlMs: Math.min(windowMs, maxOfferMs) })
  return token.fence
}
