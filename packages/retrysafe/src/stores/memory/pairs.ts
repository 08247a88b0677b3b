import type { PairOffer, TakeAnswer } from '../../engine/store.ts'
import { addOffer, liveOffers, type Offered, takeOffer } from '../row/pair.ts'

/** Offers of running attempts to retries that carry no key, newest first, each taken once. */
export class Pairs {
  readonly #offers = new Map<string, readonly Offered[]>()

  offer(pairKey: string, offer: PairOffer, nowMs: number): void {
    this.#put(pairKey, addOffer(this.#offers.get(pairKey) ?? [], offer, nowMs))
  }

  take(pairKey: string, count: number, owner: string, nowMs: number): TakeAnswer {
    const { answer, offers } = takeOffer(this.#offers.get(pairKey) ?? [], count, owner, nowMs)
    this.#put(pairKey, offers)
    return answer
  }

  /** Drops what nobody can take any more. */
  sweep(nowMs: number): void {
    for (const [pairKey, offers] of this.#offers) this.#put(pairKey, liveOffers(offers, nowMs))
  }

  #put(pairKey: string, offers: readonly Offered[]): void {
    if (offers.length === 0) this.#offers.delete(pairKey)
    else this.#offers.set(pairKey, offers)
  }
}
