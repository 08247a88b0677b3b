import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import type { AttemptEnd, CrashPolicy, RecordLabel, RecordState, StoreKey, Token } from '../engine/record.ts'
import type { ClaimAnswer, ClaimTerms, LogPiece, ReleaseAnswer, StepTerms, Store } from '../engine/store.ts'
import type { Fingerprint } from '../fingerprint/fingerprint.ts'
import { plain } from './assertions.ts'
import { lapseMs, longLeaseMs, longRetentionMs, realSlackMs } from './durations.ts'
import type { KitHarness, KitTransactions } from './harness.ts'

/** What a case's claim says; names stand for keys, owners and fingerprints. */
export interface TermsChange {
  readonly key?: string
  readonly owner?: string
  readonly raw?: string
  readonly canonical?: string
  readonly leaseMs?: number
  readonly retentionMs?: number
  readonly onCrash?: CrashPolicy
  readonly maxAttempts?: number
  readonly label?: RecordLabel
}

export type Acquired = Extract<ClaimAnswer, { kind: 'acquired' }>

/** One case's own store, keys and owners. Names mean the same within a trial, and nothing outside it. */
export class Trial {
  readonly store: Store
  /** How far the clock may have run by itself. */
  readonly slackMs: number
  /** So long before or after a limit the clock is surely on that side of it. */
  readonly edgeMs: number
  readonly harness: KitHarness
  readonly #nonce = randomBytes(16).toString('base64url')
  readonly #handles: Store[] = []
  readonly #openedAtMs: number
  #passedMs = 0
  #leftMs: number

  private constructor(harness: KitHarness, store: Store, mayPassMs: number, openedAtMs: number) {
    this.harness = harness
    this.store = store
    this.slackMs = slackOf(harness)
    this.edgeMs = Math.max(1, this.slackMs)
    this.#leftMs = mayPassMs
    this.#openedAtMs = openedAtMs
  }

  static async open(harness: KitHarness, mayPassMs: number): Promise<Trial> {
    const store = await harness.open()
    return new Trial(harness, store, mayPassMs, slackOf(harness) > 0 ? await store.now() : 0)
  }

  async close(): Promise<void> {
    for (const handle of this.#handles) await handle.close()
    await this.store.close()
  }

  /** Another handle on the same data. */
  async again(): Promise<Store> {
    assert.ok(this.harness.openAgain, 'the harness has no openAgain')
    const handle = await this.harness.openAgain(this.store)
    this.#handles.push(handle)
    return handle
  }

  get transactions(): KitTransactions {
    assert.ok(this.harness.transactions, 'the harness has no transactions')
    return this.harness.transactions(this.store)
  }

  key(name = 'k'): StoreKey {
    return this.name(`key ${name}`) as StoreKey
  }

  owner(name = 'a'): string {
    return this.name(`owner ${name}`).slice(0, 21).concat('A')
  }

  /** 43 base64url characters that nobody else uses. */
  name(name: string): string {
    return hash('sha256', `${this.#nonce} ${name}`, 'base64url')
  }

  /** Claims key `k` by owner `a` with payload `raw-1`: rerun, 3 attempts, a long lease and retention. */
  terms(change: TermsChange = {}): ClaimTerms {
    const { key, owner, raw, canonical, ...rest } = change
    return {
      key: this.key(key),
      raw: fingerprint(raw ?? 'raw-1'),
      ...(canonical !== undefined && { canonical: fingerprint(canonical) }),
      owner: this.owner(owner),
      leaseMs: longLeaseMs,
      retentionMs: longRetentionMs,
      onCrash: 'rerun',
      maxAttempts: 3,
      label: { operation: 'default', tenant: 'tenant00' },
      ...rest,
    }
  }

  claim(change: TermsChange = {}): Promise<ClaimAnswer> {
    return this.store.claim(this.terms(change))
  }

  /** Claims and must get it. */
  async acquire(change: TermsChange = {}): Promise<Acquired> {
    const answer = await this.claim(change)
    if (answer.kind !== 'acquired') assert.fail(`the claim was not acquired but ${JSON.stringify(plain(answer))}`)
    return answer
  }

  async token(change: TermsChange = {}): Promise<Token> {
    return (await this.acquire(change)).token
  }

  /** Claims and releases. */
  async end(end: AttemptEnd, change: TermsChange = {}, cooldownMs = 0): Promise<Token> {
    const token = await this.token(change)
    assert.equal(await this.release(token, end, cooldownMs, change.key), 'ok')
    return token
  }

  release(token: Token, end: AttemptEnd, cooldownMs = 0, key?: string): Promise<ReleaseAnswer> {
    return this.store.release(this.key(key), token, { end, cooldownMs })
  }

  /** Lets `ms` pass and, on a clock that runs by itself, so much more that nobody can say it was less. */
  async passSurely(ms: number): Promise<void> {
    await this.pass(ms, this.slackMs)
  }

  /** Lets `ms` pass; a real clock has run a little more by itself. */
  async pass(ms: number, moreMs = 0): Promise<void> {
    this.#leftMs -= ms
    assert.ok(this.#leftMs >= 0, `this case lets ${-this.#leftMs} ms more pass than its needsMs says`)
    this.#passedMs += ms + moreMs
    if (ms + moreMs > 0) await this.harness.pass(ms + moreMs)
  }

  /** A clock that runs by itself has run further than the cases allow for. */
  async wasHeldUp(): Promise<boolean> {
    if (this.slackMs === 0) return false
    const nowMs = await this.store.now().catch(() => this.#openedAtMs)
    return nowMs - this.#openedAtMs - this.#passedMs > this.slackMs
  }

  /** Short leases are over, and the grace after them. */
  lapse(): Promise<void> {
    return this.passSurely(lapseMs)
  }

  /** A time or duration, exact where the clock stands still between steps. */
  near(actual: number | undefined, expected: number, what = 'time'): void {
    const close = actual !== undefined && Math.abs(actual - expected) <= this.slackMs
    assert.ok(close, `${what}: ${actual} is not ${expected}${this.slackMs > 0 ? ` ± ${this.slackMs}` : ''}`)
  }

  async state(key?: string): Promise<RecordState | 'absent'> {
    return (await this.store.get(this.key(key)))?.state ?? 'absent'
  }

  /** The log that `fence` writes or wrote, from `fromBytes` on, read in pieces of `limitBytes`; or `ended …`. */
  async log(
    fence: number,
    key?: string,
    limitBytes = 1_024,
    fromBytes = 0,
    store: Store = this.store,
  ): Promise<string> {
    let text = ''
    for (;;) {
      const answer = await store.read(this.key(key), fence, fromBytes + text.length, limitBytes)
      if (answer.kind === 'ended') return `ended ${answer.state}`
      assert.ok(answer.bytes.byteLength <= limitBytes, `read gave ${answer.bytes.byteLength} bytes of ${limitBytes}`)
      if (answer.bytes.byteLength === 0) return text
      text += Buffer.from(answer.bytes).toString('latin1')
      const end = fromBytes + text.length
      assert.ok(end <= answer.lengthBytes, `read went on to byte ${end} of a log of ${answer.lengthBytes}`)
    }
  }

  /** Everything that anybody can see of a record, but for how long its lease still runs. */
  async snapshot(key?: string, stepIds: readonly string[] = ['s']): Promise<unknown> {
    const view = await this.store.get(this.key(key))
    if (view === undefined) return 'absent'
    const { leaseLeftMs: _, expiresAtMs, ...rest } = view
    const steps: Record<string, unknown> = {}
    for (const id of stepIds) steps[id] = plain(await this.store.stepGet(this.key(key), id))
    // A renewal moves the end of a running record, also one that says the same again.
    const ends = view.state === 'running' ? 'moves' : expiresAtMs
    return { ...rest, ends, log: await this.log(view.fence, key), steps }
  }
}

export function slackOf(harness: KitHarness): number {
  return harness.slackMs ?? (harness.maxPassMs === Number.POSITIVE_INFINITY ? 0 : realSlackMs)
}

export function fingerprint(name: string): Fingerprint {
  return `1${hash('sha256', name, 'base64url')}` as Fingerprint
}

export function piece(offsetBytes: number, text: string, canonical?: string): LogPiece {
  const bytes = bytesOf(text)
  return canonical === undefined ? { offsetBytes, bytes } : { offsetBytes, bytes, canonical: fingerprint(canonical) }
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

/** Step `s` with input `i`: rerun, 2 attempts. */
export function step(change: Partial<StepTerms> = {}): StepTerms {
  return { id: 's', input: fingerprint('input i'), onCrash: 'rerun', maxAttempts: 2, ...change }
}
