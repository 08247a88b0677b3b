import type { Clock } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import type { StoreKey } from '../../engine/record.ts'
import type { CounterDeltas, PairOffer, TakeAnswer } from '../../engine/store.ts'
import { addCounts, type CounterBucket, emptyBucket } from '../row/counter.ts'
import { addOffer, liveOffers, type Offered, takeOffer } from '../row/pair.ts'
import { drawRevision, type Environment } from './environment.ts'
import { textKey } from './keys.ts'

const maxTries = 1_000

/** What is kept beside the records: pairs, counters, and what the whole store has in common. */
export class Tallies {
  readonly #environment: Environment
  readonly #clock: Clock
  readonly #random: () => number
  #sweptTo: Buffer | undefined

  constructor(environment: Environment, clock: Clock, random: () => number) {
    this.#environment = environment
    this.#clock = clock
    this.#random = random
  }

  async offer(pairKey: string, offer: PairOffer): Promise<void> {
    await this.#changePairs(textKey(pairKey), offers => ({
      answer: undefined,
      offers: addOffer(offers, offer, this.#clock.wallMs()),
    }))
  }

  take(pairKey: string, count: number, owner: string): Promise<TakeAnswer> {
    return this.#changePairs(textKey(pairKey), offers => takeOffer(offers, count, owner, this.#clock.wallMs()))
  }

  count(bucket: string, deltas: CounterDeltas, sequence: { source: string; number: number }): Promise<'ok' | 'dup'> {
    return this.#change('counters', textKey(bucket), held => {
      const counts = readBucket(held)
      const answer = addCounts(counts, deltas, sequence)
      return { answer, ...(answer === 'ok' && { bytes: writeBucket(counts) }) }
    })
  }

  counters(bucket: string): Readonly<Record<string, number>> {
    this.#environment.refresh()
    return Object.fromEntries(readBucket(this.#environment.counters.getBinary(textKey(bucket))).sums)
  }

  async metaInit(name: string, value: Uint8Array): Promise<Uint8Array> {
    const key = Buffer.from(`init ${name}`)
    const put = (): void => void this.#environment.meta.put(key, Buffer.from(value))
    await this.#environment.commit(() => this.#environment.meta.ifNoExists(key, put))
    this.#environment.refresh()
    return this.#environment.meta.getBinary(key) ?? value
  }

  /** Drops offers that nobody can take any more; looks at no more than `limit` pair keys, further on each time. */
  async sweep(limit: number): Promise<void> {
    this.#environment.refresh()
    const nowMs = this.#clock.wallMs()
    const { pairs } = this.#environment
    const range = { limit, ...(this.#sweptTo !== undefined && { start: this.#sweptTo, exclusiveStart: true }) }
    const looked = [...pairs.getRange(range)].map(({ key, value }) => ({
      key: Buffer.from(key),
      value: readOffers(value),
    }))
    this.#sweptTo = looked.length < limit ? undefined : looked.at(-1)?.key
    for (const { key, value } of looked) {
      const live = liveOffers(value, nowMs)
      if (live.length < value.length) {
        await this.#changePairs(key, offers => ({
          answer: undefined,
          offers: liveOffers(offers, this.#clock.wallMs()),
        }))
      }
    }
  }

  #changePairs<Answer>(
    key: Buffer,
    decide: (offers: readonly Offered[]) => { answer: Answer; offers: readonly Offered[] },
  ): Promise<Answer> {
    return this.#change('pairs', key, held => {
      const before = readOffers(held)
      const { answer, offers } = decide(before)
      const isSame = offers.length === before.length && offers.every((offer, index) => offer === before[index])
      return { answer, ...(!isSame && { bytes: Buffer.from(offers.length === 0 ? '' : JSON.stringify(offers)) }) }
    })
  }

  /** Reads, decides, writes if nobody has written since. Without `bytes` nothing is written; empty ones remove. */
  async #change<Answer>(
    name: 'counters' | 'pairs',
    key: Buffer,
    decide: (held: Buffer | undefined) => { answer: Answer; bytes?: Buffer },
  ): Promise<Answer> {
    for (let tries = 0; tries < maxTries; tries++) {
      this.#environment.refresh()
      const held = this.#environment[name].getBinary(key)
      const revision = held === undefined ? undefined : this.#environment.lastRevision()
      const { answer, bytes } = decide(held)
      if (bytes === undefined) return answer
      const next = drawRevision(this.#random)
      const write = (): Promise<boolean> => {
        const table = this.#environment[name]
        const put = (): void => void (bytes.byteLength === 0 ? table.remove(key) : table.put(key, bytes, next))
        return revision === undefined ? table.ifNoExists(key, put) : table.ifVersion(key, revision, put)
      }
      if (await this.#environment.commit(write)) return answer
    }
    throw new RetrysafeError('STORE_UNAVAILABLE', `changed by others ${maxTries} times in a row: try again`)
  }
}

function readOffers(held: Buffer | undefined): readonly Offered[] {
  if (held === undefined) return []
  const offers = JSON.parse(held.toString()) as (Offered & { offer: { key: string } })[]
  return offers.map(({ offer, ...rest }) => ({ ...rest, offer: { ...offer, key: offer.key as StoreKey } }))
}

function readBucket(held: Buffer | undefined): CounterBucket {
  if (held === undefined) return emptyBucket()
  const { sums, last } = JSON.parse(held.toString()) as { sums: [string, number][]; last: [string, number][] }
  return { sums: new Map(sums), last: new Map(last) }
}

function writeBucket({ sums, last }: CounterBucket): Buffer {
  return Buffer.from(JSON.stringify({ sums: [...sums], last: [...last] }))
}
