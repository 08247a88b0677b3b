import type { PairOffer, TakeAnswer } from '../../engine/store.ts'

interface Offered {
  readonly offer: PairOffer
  readonly untilMs: number
  takenBy?: string
}

/** Offers under one pair key at most; the newest are taken first anyway. */
const maxOffers = 64

/** Offers of running attempts to retries that carry no key, newest first, each taken once. */
export class Pairs {
  readonly #offers = new Map<string, Offered[]>()

  offer(pairKey: string, offer: PairOffer, nowMs: number): void {
    const live = this.#live(pairKey, nowMs)
    const { key, fence, count } = offer
    // Arrived again, perhaps after it was taken: it stays taken.
    if (live.some(held => held.offer.key === key && held.offer.fence === fence && held.offer.count === count)) return
    live.unshift({ offer, untilMs: nowMs + offer.ttlMs })
    this.#offers.set(pairKey, live.slice(0, maxOffers))
  }

  take(pairKey: string, count: number, owner: string, nowMs: number): TakeAnswer {
    const live = this.#live(pairKey, nowMs)
    if (live.length === 0) this.#offers.delete(pairKey)
    const mine =
      live.find(held => held.takenBy === owner) ??
      live.find(held => held.takenBy === undefined && held.offer.count === count - 1)
    if (mine === undefined) return { kind: 'none' }
    mine.takenBy = owner
    return { kind: 'taken', key: mine.offer.key, fence: mine.offer.fence }
  }

  /** Drops what nobody can take any more. */
  sweep(nowMs: number): void {
    for (const pairKey of this.#offers.keys()) {
      const live = this.#live(pairKey, nowMs)
      if (live.length === 0) this.#offers.delete(pairKey)
      else this.#offers.set(pairKey, live)
    }
  }

  #live(pairKey: string, nowMs: number): Offered[] {
    return (this.#offers.get(pairKey) ?? []).filter(held => held.untilMs > nowMs)
  }
}
