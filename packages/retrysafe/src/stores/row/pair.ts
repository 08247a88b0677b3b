import type { PairOffer, TakeAnswer } from '../../engine/store.ts'

/** A running attempt that is offered to a retry without a key. */
export interface Offered {
  readonly offer: PairOffer
  /** On the wall clock. */
  readonly untilMs: number
  readonly takenBy?: string
}

/** Offers under one pair key at most; the newest are taken first anyway. */
const maxOffers = 64

/** Offers that still count, newest first. */
export function liveOffers(offers: readonly Offered[], nowMs: number): readonly Offered[] {
  return offers.filter(held => held.untilMs > nowMs)
}

/** The offers with one more in front; an offer that arrived before, taken or not, changes nothing. */
export function addOffer(offers: readonly Offered[], offer: PairOffer, nowMs: number): readonly Offered[] {
  const live = liveOffers(offers, nowMs)
  const { key, fence, count } = offer
  if (live.some(held => held.offer.key === key && held.offer.fence === fence && held.offer.count === count)) return live
  return [{ offer, untilMs: nowMs + offer.ttlMs }, ...live].slice(0, maxOffers)
}

/** Takes the newest untaken offer whose count is one lower than `count`; the same owner gets the same one again. */
export function takeOffer(
  offers: readonly Offered[],
  count: number,
  owner: string,
  nowMs: number,
): { answer: TakeAnswer; offers: readonly Offered[] } {
  const live = liveOffers(offers, nowMs)
  const mine =
    live.find(held => held.takenBy === owner) ??
    live.find(held => held.takenBy === undefined && held.offer.count === count - 1)
  if (mine === undefined) return { answer: { kind: 'none' }, offers: live }
  const { key, fence } = mine.offer
  const taken = live.map(held => (held === mine ? { ...held, takenBy: owner } : held))
  return { answer: { kind: 'taken', key, fence }, offers: taken }
}
