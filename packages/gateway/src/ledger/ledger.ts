import { type Surroundings, within } from 'retrysafe/internal/engine/clock'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { Replay } from 'retrysafe/internal/engine/replay'
import type { Store } from 'retrysafe/internal/engine/store'
import type { Turn } from 'retrysafe/internal/engine/turn'
import type { Report } from 'retrysafe/internal/providers/usage'
import { LedgerStore } from './ledger-store.ts'
import { Places } from './places.ts'
import { RecordedUsage, type RecordedUse } from './recorded-usage.ts'
import { requestModel } from './request-model.ts'
import { type RowKey, unknownModel } from './row.ts'
import { spendCounts } from './spend.ts'
import { type Counts, Tally } from './tally.ts'

/** A call that is counted. */
export interface LedgerCall {
  readonly key: StoreKey
  readonly tenant: string
  readonly upstream: string
  /** Of the request, without the upstream's own. */
  readonly path: string
  /** The same, as the upstream sees it. */
  readonly upstreamPath: string
  readonly body: Uint8Array
}

/** What a call was served with: all of it where it was read, else its generation. */
type Outcome = Pick<Replay, 'fence'> & Partial<Pick<Replay, 'head' | 'body'>>

/** The last counts of a process that goes away wait so long for the store. */
const closeMs = 500

/**
 * What became of calls with a key, and what they cost or saved. Operations are outcomes that were recorded, attempts are
 * runs that were sent for them. Off the requests' way: what is counted goes to the store some seconds later.
 */
export class Ledger {
  readonly #tally = new Tally()
  readonly #usage: RecordedUsage
  readonly #store: LedgerStore
  readonly #surroundings: Surroundings
  readonly #places = new Places()

  constructor(store: Store, surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#usage = new RecordedUsage(store, surroundings)
    this.#store = new LedgerStore({ store, surroundings, tally: this.#tally })
  }

  /** One request begins: what is returned hears its turns. */
  open(call: LedgerCall): (turn: Turn) => void {
    let isNew = true
    return turn => {
      if (turn.kind === 'begun' || turn.kind === 'joined') return
      const requests = isNew ? 1 : 0
      isNew = false
      this.#took(call, turn, requests)
    }
  }

  /** All rows of the store, what was counted here just now included. Rejects as the store does. */
  async read(): Promise<{ since: string; rows: ReadonlyMap<RowKey, Counts> }> {
    await this.#usage.idle()
    await this.#store.flush()
    return this.#store.read()
  }

  /** Brings what is left to the store, if that listens. */
  async close(): Promise<void> {
    this.#store.close()
    const last = this.#usage.idle().then(() => this.#store.flush())
    await within(
      last.catch(() => {}),
      this.#surroundings.timers,
      closeMs,
    )
  }

  #took(call: LedgerCall, turn: Exclude<Turn, { kind: 'begun' | 'joined' }>, requests: number): void {
    switch (turn.kind) {
      case 'executed':
        return this.#executed(call, turn, requests)
      case 'replayed':
        return this.#saved(call, turn.replay, turn.joined ? { requests, joined: 1 } : { requests, replayed: 1 })
      case 'followed':
        return this.#saved(call, turn, { requests, joined: 1 })
      case 'refused':
        return this.#count(this.#places.of(call).rowOfFailure(unknownModel), { requests, refused: 1 })
    }
  }

  #executed(call: LedgerCall, turn: Extract<Turn, { kind: 'executed' }>, requests: number): void {
    const { recorded, report, end, fence } = turn
    const { key, upstreamPath: path } = call
    const model = modelOf(report, call)
    const place = this.#places.of(call)
    if (recorded) {
      if (fence !== undefined) this.#usage.remember({ key, fence }, useOf(report, model, path))
      this.#count(place.row(model), spendCounts('used', report, path))
      return this.#count(place.row(model), { requests, attempts: 1, operations: 1 })
    }
    // A whole answer that says that it failed costs nothing; what was cut, cancelled or taken over may have run on.
    const isAnswered = end === 'free' || end === 'failed'
    const row = report === undefined ? place.rowOfFailure(model) : place.row(model)
    this.#count(row, isAnswered ? { failed: 1 } : spendCounts('lost', report, path))
    this.#count(row, { requests, attempts: 1 })
  }

  /** A run that did not have to be: it would have cost what the recorded one did. */
  #saved(call: LedgerCall, had: Outcome | undefined, counts: Readonly<Record<string, number>>): void {
    const place = this.#places.of(call)
    const add = ({ model, saved }: RecordedUse): void => {
      this.#count(place.row(model), counts)
      this.#count(place.row(model), saved)
    }
    const { key, upstreamPath: path } = call
    if (had === undefined) return add(useOf(undefined, modelOf(undefined, call), path))
    const remembered = this.#usage.remembered({ key, fence: had.fence })
    if (remembered !== undefined) return add(remembered)
    // Found now: whoever waits for a report must not keep a body.
    const asked = modelOf(undefined, call)
    const take = (report: Report | undefined): RecordedUse => useOf(report, report?.model ?? asked, path)
    this.#usage.read({ key, fence: had.fence, path, replay: had }, take, add)
  }

  #count(row: RowKey, counts: Readonly<Record<string, number>>): void {
    this.#tally.add(row, counts)
    this.#store.counted()
  }
}

function modelOf(report: Report | undefined, { upstreamPath, body }: LedgerCall): string {
  return report?.model ?? requestModel(upstreamPath, body) ?? unknownModel
}

function useOf(report: Report | undefined, model: string, path: string): RecordedUse {
  return { model, saved: spendCounts('saved', report, path) }
}
