import type { Timer, Timers } from '../../engine/clock.ts'
import type { Machine } from '../../engine/machine.ts'
import type { StoreKey } from '../../engine/record.ts'
import type { Subscription } from '../../engine/store.ts'
import type { Hints } from '../hints.ts'
import type { StoreTime } from '../row/row.ts'
import type { Environment } from './environment.ts'
import { recordKey } from './keys.ts'
import type { Records } from './records.ts'

/** How often this process looks for what others have committed, while anybody here follows. */
const lookMs = 10
/** A mark holds for so long, and is set again after half of it. */
const markMs = 4_000

interface Followed {
  readonly record: Buffer
  readonly key: StoreKey
  revision: number | undefined
  /** When to look again whether it needs a mark, on the lease clock. */
  markAtMs: number
  isMarked: boolean
}

/**
 * Following records that other processes run: one poller for the whole process turns their commits into hints, and
 * leaves marks by which an owner knows that it is followed from outside.
 */
export class FollowMarks {
  readonly #environment: Environment
  readonly #records: Records
  readonly #machine: Machine
  readonly #hints: Hints
  readonly #timers: Timers
  readonly #followed = new Map<StoreKey, Followed>()
  #timer: Timer | undefined
  #closed = false

  constructor(environment: Environment, records: Records, machine: Machine, hints: Hints, timers: Timers) {
    this.#environment = environment
    this.#records = records
    this.#machine = machine
    this.#hints = hints
    this.#timers = timers
  }

  subscribe(key: StoreKey, hint: () => void): Subscription {
    if (this.#closed) return { close: () => {} }
    if (!this.#followed.has(key)) this.#follow(key)
    return this.#hints.subscribe(key, hint, () => this.#followed.delete(key))
  }

  /** Whether somebody follows the record, in this process or in another. */
  isFollowed(key: StoreKey, record: Buffer, now: StoreTime): boolean {
    if (this.#hints.isFollowed(key)) return true
    const mark = this.#environment.marks.getBinary(record)
    return mark !== undefined && this.#isLive(mark, now)
  }

  /** Drops marks that are over; looks at no more than `limit`. */
  async sweep(limit: number, now: StoreTime): Promise<void> {
    const over: Buffer[] = []
    for (const { key, value } of this.#environment.marks.getRange({ limit }))
      if (!this.#isLive(value, now)) over.push(Buffer.from(key))
    if (over.length === 0) return
    // A mark that comes back in between is set again within its half-life.
    await this.#environment.commit(() => {
      const { marks } = this.#environment
      return marks.batch(() => over.forEach(key => void marks.remove(key)))
    })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#followed.clear()
  }

  #follow(key: StoreKey): void {
    const record = recordKey(key)
    this.#environment.refresh()
    const revision = this.#records.revisionOf(record)
    const followed = { key, record, revision, markAtMs: Number.NEGATIVE_INFINITY, isMarked: false }
    this.#followed.set(key, followed)
    this.#mark(followed)
    this.#timer ??= this.#timers.after(lookMs, () => this.#look())
  }

  #look(): void {
    this.#timer = undefined
    if (this.#followed.size === 0) return
    try {
      this.#environment.refresh()
      // LMDB tells the number of a new transaction before it shows what is in it, by as long as the disk takes: only the
      // record itself can be trusted.
      for (const followed of this.#followed.values()) {
        this.#compare(followed)
        this.#mark(followed)
      }
    } catch {
      // The file cannot be read just now: waiters poll beneath, and get the error themselves.
    }
    this.#timer = this.#timers.after(lookMs, () => this.#look())
  }

  #compare(followed: Followed): void {
    const revision = this.#records.revisionOf(followed.record)
    if (revision === followed.revision) return
    followed.revision = revision
    // Another process may run it only now.
    if (!followed.isMarked) followed.markAtMs = Number.NEGATIVE_INFINITY
    this.#hints.tell(followed.key)
  }

  /** Tells an owner in another process that it is followed. */
  #mark(followed: Followed): void {
    const now = this.#records.time()
    if (now.leaseMs < followed.markAtMs) return
    const loaded = this.#records.load(followed.record, now)
    followed.markAtMs = now.leaseMs + markMs / 2
    followed.isMarked = loaded !== undefined && loaded.row.state === 'running' && !this.#records.isOurs(loaded)
    if (!followed.isMarked) return
    const mark = Buffer.from(`${this.#machine.clockName} ${now.leaseMs + markMs}`)
    this.#environment
      .commit(() => this.#environment.marks.put(followed.record, mark))
      .catch(() => {
        followed.markAtMs = now.leaseMs
      })
  }

  #isLive(mark: Buffer, now: StoreTime): boolean {
    const [clockName, untilMs] = mark.toString().split(' ')
    const leftMs = Number(untilMs) - now.leaseMs
    return clockName === this.#machine.clockName && leftMs > 0 && leftMs <= markMs
  }
}
