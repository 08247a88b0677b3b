import type { PairOffer } from '../engine/store.ts'

interface Offered {
  readonly offer: PairOffer
  readonly untilMs: number
  takenBy: string | undefined
}

/** Offers and takes, as the contract tells of them. */
export class ModelPairs {
  readonly #offers = new Map<string, Offered[]>()

  clone(): ModelPairs {
    const twin = new ModelPairs()
    for (const [pair, offers] of this.#offers) {
      twin.#offers.set(
        pair,
        offers.map(offered => ({ ...offered })),
      )
    }
    return twin
  }

  offer(pair: string, offer: PairOffer, nowMs: number): undefined {
    const live = this.#live(pair, nowMs)
    const { key, fence, count } = offer
    const same = live.some(({ offer }) => offer.key === key && offer.fence === fence && offer.count === count)
    if (!same) this.#offers.set(pair, [...live, { offer, untilMs: nowMs + offer.ttlMs, takenBy: undefined }])
  }

  take(pair: string, count: number, owner: string, nowMs: number): unknown {
    const newestFirst = this.#live(pair, nowMs).reverse()
    const taken =
      newestFirst.find(({ takenBy }) => takenBy === owner) ??
      newestFirst.find(({ takenBy, offer }) => takenBy === undefined && offer.count === count - 1)
    if (taken === undefined) return { kind: 'none' }
    taken.takenBy = owner
    return { kind: 'taken', key: taken.offer.key, fence: taken.offer.fence }
  }

  #live(pair: string, nowMs: number): Offered[] {
    return (this.#offers.get(pair) ?? []).filter(({ untilMs }) => nowMs < untilMs)
  }
}
