import { type Surroundings, within } from 'retrysafe/internal/engine/clock'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { Replay } from 'retrysafe/internal/engine/replay'
import type { Store } from 'retrysafe/internal/engine/store'
import type { Turn } from 'retrysafe/internal/engine/turn'
import type { Report } from 'retrysafe/internal/providers/usage'
import { LedgerStore } from './ledger-store.ts'
import { RecordedUsage } from './recorded-usage.ts'
import { requestModel } from './request-model.ts'
import { other, type RowKey, type RowName, routeOf, unknownModel } from './row.ts'
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
type Whose = Pick<LedgerCall, 'tenant' | 'upstream' | 'path'>

/** Paths whose route is remembered; and routes, by tenant, that have answered. */
const maxRoutes = 1_000
const maxProven = 10_000
/** The last counts of a process that goes away wait so long for the store. */
const closeMs = 1_000

/**
 * What became of calls with a key, and what they cost or saved. Operations are outcomes that were recorded, attempts are
 * runs that were sent for them. Off the requests' way: what is counted goes to the store some seconds later.
 */
export class Ledger {
  readonly #tally = new Tally()
  readonly #usage: RecordedUsage
  readonly #store: LedgerStore
  readonly #surroundings: Surroundings
  readonly #routes = new Map<string, string>()
  readonly #proven = new Set<string>()

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
        return this.#saved(call, turn.replay, { requests, [turn.joined ? 'joined' : 'replayed']: 1 })
      case 'followed':
        return this.#saved(call, turn, { requests, joined: 1 })
      case 'refused':
        return this.#addFailure(call, unknownModel, { requests, refused: 1 })
    }
  }

  #executed(call: LedgerCall, turn: Extract<Turn, { kind: 'executed' }>, requests: number): void {
    const { recorded, report, end, fence } = turn
    const { key, upstreamPath: path } = call
    const model = report?.model ?? requestModel(path, call.body) ?? unknownModel
    if (recorded) {
      if (fence !== undefined) this.#usage.remember({ key, fence, path }, report)
      return this.#add(call, model, { requests, attempts: 1, operations: 1, ...spendCounts('used', report, path) })
    }
    // A whole answer that says that it failed costs nothing; what was cut, cancelled or taken over may have run on.
    const isAnswered = end === 'free' || end === 'failed'
    const fate = isAnswered ? { failed: 1 } : { ...spendCounts('lost', report, path) }
    const counts = { requests, attempts: 1, ...fate }
    if (report === undefined) this.#addFailure(call, model, counts)
    else this.#add(call, model, counts)
  }

  /** A run that did not have to be: it would have cost what the recorded one did. */
  #saved(call: LedgerCall, had: Outcome | undefined, counts: Record<string, number>): void {
    const { tenant, upstream, path, key, upstreamPath, body } = call
    const add = (report: Report | undefined, asked: () => string | undefined): void => {
      const model = report?.model ?? asked() ?? unknownModel
      this.#add({ tenant, upstream, path }, model, { ...counts, ...spendCounts('saved', report, upstreamPath) })
    }
    const outcome = had && { key, fence: had.fence, path: upstreamPath, replay: had }
    const remembered = outcome === undefined ? { report: undefined } : this.#usage.remembered(outcome)
    if (remembered !== undefined) return add(remembered.report, () => requestModel(upstreamPath, body))
    // Read now: whoever waits for a report must not keep a body.
    const model = requestModel(upstreamPath, body)
    if (outcome !== undefined) this.#usage.read(outcome, report => add(report, () => model))
  }

  #add(call: Whose, model: string, counts: Readonly<Record<string, number>>): void {
    const tenant = call.tenant.slice(0, 8)
    const route = this.#routeOf(call)
    if (this.#proven.size < maxProven) this.#proven.add(`${tenant} ${route}`)
    this.#count({ tenant, route, model }, counts)
  }

  /** Only who has had an answer gets a row by failing: paths and credentials are made up easily. */
  #addFailure(call: Whose, model: string, counts: Readonly<Record<string, number>>): void {
    const tenant = call.tenant.slice(0, 8)
    const route = this.#routeOf(call)
    this.#count(this.#proven.has(`${tenant} ${route}`) ? { tenant, route, model } : other, counts)
  }

  #count(row: RowName, counts: Readonly<Record<string, number>>): void {
    this.#tally.add(row, counts)
    this.#store.counted()
  }

  #routeOf({ upstream, path }: Whose): string {
    const asked = `${upstream} ${path}`
    const known = this.#routes.get(asked)
    if (known !== undefined) return known
    const route = routeOf(upstream, path)
    if (this.#routes.size >= maxRoutes) this.#routes.clear()
    this.#routes.set(asked, route)
    return route
  }
}
