import type { Surroundings } from 'retrysafe/internal/engine/clock'
import { storeKey } from 'retrysafe/internal/engine/identity'
import type { Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { requestModel } from '../../ledger/request-model.ts'
import { type RowKey, routeOf, rowKey, unknownModel } from '../../ledger/row.ts'
import { spendCounts } from '../../ledger/spend.ts'
import { type Counts, Tally } from '../../ledger/tally.ts'
import { MinuteLog } from './minute-log.ts'
import { type CallFacts, type DuplicateKind, ObservedCall } from './observed-call.ts'
import { OneRun } from './one-run.ts'
import { RetryPairs } from './retry-pairs.ts'

export interface ObserverOptions {
  readonly surroundings: Surroundings
  readonly log: (message: string) => void
  /** Keys and requests that are remembered to compare with. Default 50,000, about 1 KiB each. */
  readonly maxRemembered?: number
}

/** A request whose body has gone by. */
export interface SeenRequest {
  readonly tenant: string
  readonly upstream: string
  /** Without the upstream's own. */
  readonly path: string
  readonly upstreamPath: string
  readonly fingerprint: Fingerprint
  readonly key: string | undefined
  /** Key and payload name the call together. */
  readonly forks: boolean
  /** As an SDK counts its attempts, from 0. */
  readonly count: number | undefined
  readonly timeoutMs: number | undefined
  readonly retentionMs: number
  readonly windowMs: number
  /** What becomes of a run whose client has left: absent, it depends on whether there is a key. */
  readonly goesOn: boolean | undefined
}

/** What is remembered under one key, or of one request without a key. */
interface Remembered {
  fingerprint: Fingerprint
  readonly run: OneRun
  readonly pairs: RetryPairs
}

const noBody = new Uint8Array(0)

/** Finds the duplicates among requests that pass untouched, and sums up what they cost. In this process's memory, bounded. */
export class Observer {
  readonly sinceMs: number
  readonly #options: ObserverOptions
  readonly #maxRemembered: number
  readonly #tally = new Tally()
  readonly #minutes: MinuteLog
  /** What was asked for last stands last. */
  readonly #remembered = new Map<string, Remembered>()
  #forgotten = 0

  constructor(options: ObserverOptions) {
    const { clock } = options.surroundings
    this.#options = options
    this.#maxRemembered = options.maxRemembered ?? 50_000
    this.#minutes = new MinuteLog(options.surroundings.timers, options.log)
    this.sinceMs = clock.wallMs()
  }

  /** What was remembered to compare with and had to make room: duplicates of it are not seen. */
  get forgotten(): number {
    return this.#forgotten
  }

  get rows(): ReadonlyMap<RowKey, Counts> {
    return this.#tally.rows()
  }

  /** A request begins; it counts once it is compared, and over. */
  open(): ObservedCall {
    const { clock } = this.#options.surroundings
    return new ObservedCall(
      () => clock.monotonicMs(),
      (call, facts, kind) => this.#count(call, facts, kind),
    )
  }

  compare(call: ObservedCall, seen: SeenRequest): void {
    const { tenant, upstream, path, upstreamPath, fingerprint, key, forks, count, timeoutMs } = seen
    const hasKey = key !== undefined
    const facts = { tenant: tenant.slice(0, 8), route: routeOf(upstream, path), path: upstreamPath, hasKey }
    const keptMs = hasKey ? seen.retentionMs : seen.windowMs
    const named =
      hasKey && !forks ? storeKey(tenant, upstream, key) : storeKey(tenant, upstream, key ?? '', fingerprint)
    const found = this.#find(`${hasKey}${named}`, fingerprint, seen.goesOn ?? hasKey)
    const nowMs = this.#options.surroundings.clock.monotonicMs()
    if (found.fingerprint !== fingerprint) {
      if (!found.run.isFree(nowMs, keptMs)) return this.#countReused(call, facts)
      found.fingerprint = fingerprint
    }
    const isPaired = !hasKey && count !== undefined && seen.goesOn !== false
    const pairs = isPaired ? found.pairs : undefined
    if (!call.compareWith({ facts, run: found.run, pairs, count: count ?? 0, timeoutMs }, keptMs)) this.#forget()
  }

  /** A request for which there was no room. */
  notCompared(): void {
    this.#forget()
  }

  /** The last minute's line is written. */
  close(): void {
    this.#minutes.close()
  }

  /** The key means another payload already: with us a 422. */
  #countReused(call: ObservedCall, facts: CallFacts): void {
    this.#tally.add(rowKey({ ...facts, model: unknownModel }), { reused: 1 })
    this.#minutes.reused()
    call.compareWith({ facts, run: undefined, pairs: undefined, count: 0, timeoutMs: undefined }, 0)
  }

  #find(name: string, fingerprint: Fingerprint, goesOn: boolean): Remembered {
    const found = this.#remembered.get(name) ?? {
      fingerprint,
      run: new OneRun(goesOn ? 'always' : 'if followed'),
      pairs: new RetryPairs(this.#options.surroundings.timers),
    }
    this.#remembered.delete(name)
    this.#remembered.set(name, found)
    if (this.#remembered.size > this.#maxRemembered) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest)
        break
      }
      this.#forget()
    }
    return found
  }

  #forget(): void {
    this.#forgotten++
    if (this.#forgotten > 1) return
    this.#options.log(
      `observing: more than ${this.#maxRemembered} keys and requests to compare with: the oldest are forgotten, and their duplicates not seen`,
    )
  }

  #count(call: ObservedCall, { tenant, route, path }: CallFacts, kind: DuplicateKind | undefined): void {
    const { report, result } = call
    const model = report?.model ?? requestModel(path, noBody) ?? unknownModel
    // An answer that says that it failed costs nothing.
    const spend = (purpose: string): Record<string, number> =>
      result === 'failed' && report?.usage === undefined ? {} : spendCounts(purpose, report, path)
    this.#tally.add(rowKey({ tenant, route, model }), {
      requests: 1,
      ...spend('used'),
      ...(kind !== undefined && { [`${kind}.seen`]: 1, ...spend(kind) }),
    })
    this.#minutes.seen(kind, report)
  }
}
