import type { Timer, Timers } from '../../engine/clock.ts'
import type { StoreKey } from '../../engine/record.ts'
import type { Subscription } from '../../engine/store.ts'
import { Hints } from '../hints.ts'
import { keyName } from '../packed-names.ts'
import type { Database } from './database.ts'
import { Listener } from './listener.ts'

/** How often this process asks for all the records that it follows: beneath notifications, and without them. */
const calmMs = 250
const alertMs = 25
const mostAlertMs = 500
/** When the server gave no answer. */
const againMs = 500
/** A mark holds for so long, and is set again after half of it. */
const markMs = 4_000
/** Keys of one statement: what is more waits for the next turn. */
const mostKeys = 5_000
/** Names in one notification, which holds less than 8000 bytes. */
const mostNames = 400

interface Followed {
  readonly name: Buffer
  revision: string | undefined
  /** When its mark is due, on the process's clock. */
  markAtMs: number
}

export interface FollowerTerms {
  readonly database: Database
  readonly timers: Timers
  readonly monotonicMs: () => number
  readonly channel: string
  /** `undefined`: no notifications can be heard. */
  readonly listenConnectionString: string | undefined
}

/**
 * Following records that other processes run: one poller for all waiters of this process, one connection that hears
 * notifications, marks by which owners know that they are followed; and telling other processes of what happens here.
 */
export class Followers {
  readonly hints: Hints = new Hints()
  readonly #terms: FollowerTerms
  readonly #listener: Listener | undefined
  readonly #followed = new Map<StoreKey, Followed>()
  /** What notifications name: the beginning of a record's name. */
  readonly #byNotice = new Map<string, StoreKey>()
  #timer: Timer | undefined
  #isLooking = false
  #isClosed = false
  #news = new Set<string>()
  #isTelling = false

  constructor(terms: FollowerTerms) {
    this.#terms = terms
    const { listenConnectionString, channel } = terms
    if (listenConnectionString === undefined) return
    this.#listener = new Listener(listenConnectionString, channel, payload => this.#hear(payload))
  }

  subscribe(key: StoreKey, hint: () => void): Subscription {
    if (this.#isClosed) return { close: () => {} }
    if (!this.#followed.has(key)) this.#follow(key)
    return this.hints.subscribe(key, hint, () => {
      this.#followed.delete(key)
      this.#byNotice.delete(noticeOf(keyName(key)))
    })
  }

  /** Something changed in this process. `followed`: somebody in another one may wait for it. */
  tell(key: StoreKey, followed: boolean): void {
    this.hints.tell(key)
    if (!followed || this.#isClosed) return
    this.#news.add(noticeOf(keyName(key)))
    if (this.#isTelling) return
    this.#isTelling = true
    queueMicrotask(() => void this.#tellOthers())
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#listener?.close()
    this.#followed.clear()
    this.#byNotice.clear()
    this.hints.close()
  }

  #follow(key: StoreKey): void {
    const name = keyName(key)
    this.#followed.set(key, { name, revision: undefined, markAtMs: Number.NEGATIVE_INFINITY })
    this.#byNotice.set(noticeOf(name), key)
    this.#listener?.start()
    this.#lookIn(0)
  }

  #lookIn(delayMs: number): void {
    if (this.#isLooking || this.#isClosed) return
    this.#timer?.cancel()
    this.#timer = this.#terms.timers.after(delayMs, () => void this.#look())
  }

  async #look(): Promise<void> {
    this.#timer = undefined
    if (this.#followed.size === 0) return
    this.#isLooking = true
    const entries = [...this.#followed].slice(0, mostKeys)
    const nowMs = this.#terms.monotonicMs()
    const due = entries.filter(([, { markAtMs }]) => markAtMs <= nowMs)
    // Many keys make a long question: it is not asked all the time.
    let nextMs = this.#listener?.isLive ? calmMs : Math.max(alertMs, Math.min(entries.length / 4, mostAlertMs))
    try {
      const rows = await this.#terms.database.callMany<{ k: Buffer; revision: string }>('watch', [
        entries.map(([, { name }]) => name),
        due.map(([, { name }]) => name),
        markMs,
      ])
      for (const [, followed] of due) followed.markAtMs = nowMs + markMs / 2
      const revisions = new Map(rows.map(({ k, revision }) => [k.toString('latin1'), revision]))
      for (const [key, followed] of entries) this.#compare(key, followed, revisions)
    } catch {
      // The server is out of reach just now: waiters poll beneath, and get the error themselves.
      nextMs = againMs
    }
    this.#isLooking = false
    if (this.#followed.size > entries.length) this.#rotate(entries)
    const isNew = [...this.#followed.values()].some(({ revision }) => revision === undefined)
    this.#lookIn(isNew && nextMs < againMs ? 0 : nextMs)
  }

  #compare(key: StoreKey, followed: Followed, revisions: ReadonlyMap<string, string>): void {
    const revision = revisions.get(followed.name.toString('latin1')) ?? ''
    if (revision === followed.revision) return
    // Only what runs is marked, and somebody may run it only now.
    if (runOf(revision) !== runOf(followed.revision ?? revision)) followed.markAtMs = Number.NEGATIVE_INFINITY
    followed.revision = revision
    // Also the first time: it may have changed since the subscription.
    this.hints.tell(key)
  }

  /** Those that had their turn go behind the others. */
  #rotate(entries: readonly (readonly [StoreKey, Followed])[]): void {
    for (const [key, followed] of entries) {
      if (!this.#followed.delete(key)) continue
      this.#followed.set(key, followed)
    }
  }

  #hear(payload: string): void {
    for (const notice of payload.split(' ')) {
      const key = this.#byNotice.get(notice)
      if (key !== undefined) this.hints.tell(key)
    }
  }

  /** Behind the step that it is about, never inside its transaction: a commit with a NOTIFY waits for all others. */
  async #tellOthers(): Promise<void> {
    while (this.#news.size > 0 && !this.#isClosed) {
      const names = [...this.#news].slice(0, mostNames)
      for (const name of names) this.#news.delete(name)
      await this.#terms.database.ask('SELECT pg_notify($1, $2)', [this.#terms.channel, names.join(' ')]).catch(() => {
        // Whoever waits polls beneath.
      })
    }
    this.#isTelling = false
  }
}

/** State and fence, the first two words of a revision. */
function runOf(revision: string): string {
  return revision.split(' ', 2).join(' ')
}

function noticeOf(name: Buffer): string {
  return name.toString('base64url').slice(0, 16)
}
