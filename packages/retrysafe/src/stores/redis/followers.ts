import type { Timer, Timers } from '../../engine/clock.ts'
import type { StoreKey } from '../../engine/record.ts'
import type { Subscription } from '../../engine/store.ts'
import { Hints } from '../hints.ts'
import type { Names } from './names.ts'
import type { Server } from './server.ts'

/** How often this process asks for a record that it follows: beneath its channel, and without one. */
const calmMs = 250
const alertMs = 25
/** When the server gave no answer, and before a channel that could not be had is asked for again. */
const againMs = 1_000
/** A mark holds for so long, and is set again after half of it. */
const markMs = 4_000

interface Followed {
  readonly key: StoreKey
  revision: string | undefined
  /** When its mark is due, on the process's clock. */
  markAtMs: number
  isHeard: boolean
  /** Until it looks again, and until it asks for its channel again. */
  timer: Timer | undefined
  listening: Timer | undefined
}

export interface FollowerTerms {
  readonly server: Server
  readonly names: Names
  readonly timers: Timers
  readonly monotonicMs: () => number
}

/**
 * Following records that other processes run: a channel for each, by which the server tells of changes, polling beneath
 * it, and marks by which owners know that they are followed.
 */
export class Followers {
  readonly hints: Hints = new Hints()
  readonly #terms: FollowerTerms
  readonly #followed = new Map<StoreKey, Followed>()
  #isClosed = false

  constructor(terms: FollowerTerms) {
    this.#terms = terms
  }

  subscribe(key: StoreKey, hint: () => void): Subscription {
    if (this.#isClosed) return { close: () => {} }
    if (!this.#followed.has(key)) this.#follow(key)
    return this.hints.subscribe(key, hint, () => this.#forget(key))
  }

  close(): void {
    this.#isClosed = true
    for (const followed of this.#followed.values()) cancelTimers(followed)
    this.#followed.clear()
    this.hints.close()
  }

  #follow(key: StoreKey): void {
    const markAtMs = Number.NEGATIVE_INFINITY
    const timers = { timer: undefined, listening: undefined }
    const followed: Followed = { key, revision: undefined, markAtMs, isHeard: false, ...timers }
    this.#followed.set(key, followed)
    void this.#listen(followed)
    void this.#look(followed)
  }

  #forget(key: StoreKey): void {
    const followed = this.#followed.get(key)
    if (followed === undefined) return
    this.#followed.delete(key)
    cancelTimers(followed)
    this.#terms.server.link.unsubscribe(this.#terms.names.channel(key)).catch(() => {})
  }

  async #listen(followed: Followed): Promise<void> {
    const { server, names, timers } = this.#terms
    const { key } = followed
    try {
      await server.link.subscribe(names.channel(key), () => this.#hear(followed))
      followed.isHeard = true
    } catch {
      // No right to, or no way there just now: polling does the same, later.
      if (this.#isFollowed(followed)) followed.listening = timers.after(againMs * 5, () => void this.#listen(followed))
    }
    // Closed meanwhile: the one that followed again, if there is one, listens by itself.
    if (!this.#followed.has(key)) server.link.unsubscribe(names.channel(key)).catch(() => {})
  }

  #hear(followed: Followed): void {
    if (this.#isFollowed(followed)) this.hints.tell(followed.key)
  }

  async #look(followed: Followed): Promise<void> {
    const { server, names, timers, monotonicMs } = this.#terms
    const isDue = followed.markAtMs <= monotonicMs()
    let nextMs = followed.isHeard ? calmMs : alertMs
    try {
      const revision = String(await server.run('follow', [names.record(followed.key)], [isDue ? String(markMs) : '0']))
      if (isDue) followed.markAtMs = monotonicMs() + markMs / 2
      if (revision !== followed.revision) this.#compare(followed, revision)
    } catch {
      // Waiters poll beneath, and get the error themselves.
      nextMs = againMs
    }
    if (!this.#isFollowed(followed)) return
    followed.timer = timers.after(
      followed.markAtMs === Number.NEGATIVE_INFINITY ? 0 : nextMs,
      () => void this.#look(followed),
    )
  }

  #compare(followed: Followed, revision: string): void {
    // Only what runs is marked, and somebody may run it only now.
    const before = followed.revision
    if (before !== undefined && runOf(revision) !== runOf(before)) followed.markAtMs = Number.NEGATIVE_INFINITY
    followed.revision = revision
    // Also the first time: it may have changed since the subscription.
    this.hints.tell(followed.key)
  }

  #isFollowed(followed: Followed): boolean {
    return !this.#isClosed && this.#followed.get(followed.key) === followed
  }
}

function cancelTimers({ timer, listening }: Followed): void {
  timer?.cancel()
  listening?.cancel()
}

/** State and fence, the first two words of a revision. */
function runOf(revision: string): string {
  return revision.split(' ', 2).join(' ')
}
