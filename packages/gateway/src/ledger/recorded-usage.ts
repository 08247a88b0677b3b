import type { Surroundings } from 'retrysafe/internal/engine/clock'
import { followStored, readLogHead } from 'retrysafe/internal/engine/follower'
import type { HttpHead } from 'retrysafe/internal/engine/outcome'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { Replay } from 'retrysafe/internal/engine/replay'
import type { Store } from 'retrysafe/internal/engine/store'
import { selectWatcher } from 'retrysafe/internal/providers/select'
import type { Report } from 'retrysafe/internal/providers/usage'
import type { AnswerWatcher } from 'retrysafe/internal/providers/watcher'
import { mediaTypeIn } from 'retrysafe/internal/server/request-head'

/** Outcomes whose usage is remembered, about 300 bytes each. */
const maxRemembered = 10_000
/** Outcomes whose usage is still to be read, with 64 KiB of each at most, and who waits for it. */
const maxToRead = 256
const maxWaiting = 10_000
/** A larger answer is not read for its usage alone. */
const maxReadBytes = 8_388_608

/** One outcome of the store. */
export interface OutcomeId {
  readonly key: StoreKey
  readonly fence: number
}

export interface OutcomeToRead extends OutcomeId {
  /** Of the request as its upstream sees it. */
  readonly path: string
  /** What of it is here already. */
  readonly replay?: Partial<Pick<Replay, 'head' | 'body'>>
}

/** What a replay of an outcome saves. */
export interface RecordedUse {
  readonly model: string
  readonly saved: Readonly<Record<string, number>>
}

interface Reading {
  readonly outcome: OutcomeToRead
  /** @param report `undefined`: nobody knows */
  readonly useOf: (report: Report | undefined) => RecordedUse
  readonly takers: ((use: RecordedUse) => void)[]
}

/**
 * What recorded answers said of their runs. Remembered from the run that this process made; of others the store is
 * asked, once, one after the other, and never on the way of a request: a replay costs a look into a map.
 */
export class RecordedUsage {
  readonly #store: Pick<Store, 'read' | 'subscribe'>
  readonly #surroundings: Surroundings
  /** The one that was remembered first stands first. */
  readonly #uses = new Map<string, RecordedUse>()
  readonly #readings = new Map<string, Reading>()
  #waiting = 0
  #isReading = false

  constructor(store: Pick<Store, 'read' | 'subscribe'>, surroundings: Surroundings) {
    this.#store = store
    this.#surroundings = surroundings
  }

  remember(outcome: OutcomeId, use: RecordedUse): void {
    const id = idOf(outcome)
    this.#uses.delete(id)
    this.#uses.set(id, use)
    if (this.#uses.size <= maxRemembered) return
    for (const oldest of this.#uses.keys()) return void this.#uses.delete(oldest)
  }

  remembered(outcome: OutcomeId): RecordedUse | undefined {
    return this.#uses.get(idOf(outcome))
  }

  /** Calls `take` once, when the outcome has been read, or at once where there is no room for that. */
  read(outcome: OutcomeToRead, useOf: Reading['useOf'], take: (use: RecordedUse) => void): void {
    const id = idOf(outcome)
    const reading = this.#readings.get(id)
    if (this.#waiting >= maxWaiting || (reading === undefined && this.#readings.size >= maxToRead)) {
      return take(useOf(undefined))
    }
    this.#waiting++
    if (reading !== undefined) return void reading.takers.push(take)
    this.#readings.set(id, { outcome, useOf, takers: [take] })
    if (!this.#isReading) void this.#readAll()
  }

  /** Resolves when all who wait for a report now have it; not those who come meanwhile. */
  async idle(): Promise<void> {
    const last = [...this.#readings.values()].at(-1)
    if (last === undefined) return
    this.#waiting++
    await new Promise<void>(resolve => last.takers.push(() => resolve()))
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    // The request that asks goes first.
    await new Promise<void>(resolve => this.#surroundings.timers.after(0, resolve))
    for (;;) {
      const next = this.#readings.entries().next()
      if (next.done) break
      const [id, { outcome, useOf, takers }] = next.value
      const report = await this.#readReport(outcome).catch(() => undefined)
      const use = useOf(report)
      this.#readings.delete(id)
      this.#waiting -= takers.length
      // Not whole yet, or the store is out of reach: another time it may be there.
      if (report !== undefined) this.remember(outcome, use)
      for (const take of takers) take(use)
    }
    this.#isReading = false
  }

  async #readReport({ key, fence, path, replay }: OutcomeToRead): Promise<Report | undefined> {
    if (replay?.head !== undefined && replay.body?.kind === 'whole') {
      const watcher = watcherOf(path, replay.head)
      watcher.write(replay.body.bytes)
      watcher.end(true)
      return watcher.report
    }
    const log = { store: this.#store as Store, key, fence, surroundings: this.#surroundings }
    const begin = await readLogHead(log)
    if (begin.kind !== 'head' || begin.head.kind !== 'http') return undefined
    const { head, lengthBytes } = begin
    if (lengthBytes === undefined || lengthBytes > maxReadBytes) return undefined
    const watcher = watcherOf(path, head)
    const follower = followStored(log, { ...begin, head, lengthBytes })
    try {
      for (;;) {
        const step = await follower.next()
        if (step.kind === 'broken') return undefined
        if (step.kind === 'end') break
        watcher.write(step.bytes)
      }
    } finally {
      follower.close()
    }
    watcher.end(true)
    return watcher.report
  }
}

function idOf({ key, fence }: OutcomeId): string {
  return `${key}${fence}`
}

function watcherOf(path: string, { headers }: HttpHead): AnswerWatcher {
  return selectWatcher({ path, mediaType: mediaTypeIn(headers) })
}
