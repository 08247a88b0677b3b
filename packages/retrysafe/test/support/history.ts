import type { Clock } from '../../src/engine/clock.ts'
import type { CrashPolicy, Token } from '../../src/engine/record.ts'
import type { ClaimAnswer, ClaimTerms } from '../../src/engine/store.ts'

/** What an observer who only sees questions and answers knows of one key. */
interface Known {
  latest: Token | undefined
  raw: string
  onCrash: CrashPolicy
  retentionMs: number
  state: 'nothing' | 'running' | 'released' | 'completed'
  /** Until then nobody else may be given the key: lease and grace. */
  guardedUntilMs: number
  /** Until then the record may not be absent. */
  aliveUntilMs: number
  log: string
  marked: boolean
}

const graceMs = 2_000

/** Simple bookkeeping beside a store, by the invariants of docs/protocol.md. */
export class History {
  readonly violations: string[] = []
  readonly #clock: Clock
  readonly #keys = new Map<string, Known>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  of(key: string): Known {
    const known = this.#keys.get(key) ?? {
      latest: undefined,
      raw: '',
      onCrash: 'rerun' as const,
      retentionMs: 0,
      state: 'nothing' as const,
      guardedUntilMs: 0,
      aliveUntilMs: 0,
      log: '',
      marked: false,
    }
    this.#keys.set(key, known)
    return known
  }

  isLatest(key: string, token: Token): boolean {
    const { latest } = this.of(key)
    return latest?.fence === token.fence && latest.owner === token.owner
  }

  claimed(terms: ClaimTerms, answer: ClaimAnswer, logText: string | undefined): void {
    const known = this.of(terms.key)
    const now = this.#clock.wallMs()
    const expired = now >= known.aliveUntilMs && now >= known.guardedUntilMs
    if (answer.kind === 'acquired') this.#acquired(known, terms, answer, now, expired)
    if (answer.kind === 'completed') {
      if (known.state !== 'completed') this.#wrong('I2: an outcome that nobody stored')
      else if (now >= known.aliveUntilMs) this.#wrong('I9: an outcome past its end')
      else if (known.raw !== terms.raw) this.#wrong('I3: an outcome for another payload')
      else if (logText !== known.log) this.#wrong(`I2: the outcome ${known.log} was replayed as ${logText}`)
    } else if (known.state === 'completed' && now < known.aliveUntilMs) {
      const expected = known.raw === terms.raw ? 'completed' : 'mismatch'
      if (answer.kind !== expected) this.#wrong(`I5: ${answer.kind} after an acknowledged complete`)
    }
  }

  #acquired(
    known: Known,
    terms: ClaimTerms,
    answer: Extract<ClaimAnswer, { kind: 'acquired' }>,
    now: number,
    expired: boolean,
  ): void {
    const { token } = answer
    if (known.latest?.fence === token.fence && known.latest.owner === token.owner) return
    if (known.latest !== undefined && token.fence <= known.latest.fence) this.#wrong('I1: the fence did not rise')
    if (known.state === 'running' && now < known.guardedUntilMs) this.#wrong('I1: acquired under a live lease')
    if (known.state === 'running' && !expired && known.raw !== terms.raw) this.#wrong('I3: acquired by another payload')
    if (answer.attempt > 1 && known.raw !== terms.raw) this.#wrong('I3: a counted record went to another payload')
    if (answer.attempt > terms.maxAttempts) this.#wrong(`I4: attempt ${answer.attempt}`)
    if (known.marked && !expired) this.#wrong('I4: run again under fail after it was sent')
    known.latest = token
    known.raw = terms.raw
    known.onCrash = terms.onCrash
    known.retentionMs = terms.retentionMs
    known.state = 'running'
    known.log = ''
    known.marked = false
    this.#leased(known, terms.leaseMs, now)
  }

  renewed(key: string, token: Token, leaseMs: number, sent: boolean): void {
    this.#mine(key, token, 'renew')
    const known = this.of(key)
    if (sent && known.onCrash === 'fail') known.marked = true
    this.#leased(known, leaseMs, this.#clock.wallMs())
  }

  #leased(known: Known, leaseMs: number, now: number): void {
    known.guardedUntilMs = now + leaseMs + graceMs
    known.aliveUntilMs = Math.max(known.aliveUntilMs, now + leaseMs + known.retentionMs)
  }

  appended(key: string, token: Token, text: string): void {
    this.#mine(key, token, 'append')
    this.of(key).log += text
  }

  completed(key: string, token: Token, offsetBytes: number, text: string): void {
    const known = this.of(key)
    if (!this.isLatest(key, token)) this.#wrong('I1: complete by an older token')
    else if (known.state === 'completed') this.#wrong('I2: a second outcome')
    known.state = 'completed'
    known.log = known.log.slice(0, offsetBytes) + text
    known.guardedUntilMs = 0
    known.marked = false
    known.aliveUntilMs = this.#clock.wallMs() + known.retentionMs
  }

  /** The record is released, purged or resolved: from here on only what its answers say is known. */
  released(key: string, keepsMark: boolean): void {
    const known = this.of(key)
    if (known.state === 'completed') return
    known.state = 'released'
    known.guardedUntilMs = 0
    known.aliveUntilMs = keepsMark ? this.#clock.wallMs() + known.retentionMs : 0
    known.marked = keepsMark && known.marked
  }

  removed(key: string): void {
    const known = this.of(key)
    known.state = 'released'
    known.guardedUntilMs = 0
    known.aliveUntilMs = 0
    known.marked = false
  }

  /** After every step: what may not be absent is there, what has expired is not. */
  looked(key: string, state: string | undefined): void {
    const known = this.of(key)
    const now = this.#clock.wallMs()
    const held = known.state === 'running' || known.state === 'completed'
    if (held && state === undefined && (now < known.aliveUntilMs || now < known.guardedUntilMs)) {
      this.#wrong('I9: absent before its end')
    }
    if (known.state === 'completed' && state !== undefined && now >= known.aliveUntilMs)
      this.#wrong('I9: shown past its end')
  }

  /** A step of an older token was taken: nothing may have come of it. */
  untouched(before: unknown, after: unknown): void {
    if (JSON.stringify(before) !== JSON.stringify(after)) this.#wrong('I6: an older token changed something')
  }

  #mine(key: string, token: Token, what: string): void {
    if (!this.isLatest(key, token)) this.#wrong(`I1: ${what} by an older token`)
    else if (this.of(key).state !== 'running') this.#wrong(`I1: ${what} after the end`)
  }

  #wrong(what: string): void {
    this.violations.push(what)
  }
}
