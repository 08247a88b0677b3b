import type { RecordView, StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import {
  type AppendAnswer,
  type ClaimAnswer,
  type ClaimTerms,
  type CompleteAnswer,
  graceMs,
  type LeaseChange,
  type LogPiece,
  type OperatorAnswer,
  type ReadAnswer,
  type ReleaseAnswer,
  type ReleaseTerms,
  type RenewAnswer,
  type Store,
  type Subscription,
} from '../../packages/retrysafe/src/engine/store.ts'
import type { OperatorWish } from './action.ts'
import { RecordOracle } from './record-oracle.ts'
import type { Verdict } from './verdict.ts'
import { Host } from './virtual-time.ts'
import type { World } from './world.ts'

/** One key at the store: what can be seen of it, and what should be. */
interface Watched {
  readonly key: StoreKey
  readonly oracle: RecordOracle
  view: RecordView | undefined
  leaseUntilMs: number
}

/** The store itself, where each step is made at one instant; every step is held against the oracle. */
export class Truth {
  readonly host: Host
  readonly #store: Store
  readonly #world: World
  readonly #verdict: Verdict
  readonly #watched = new Map<StoreKey, Watched>()

  constructor(world: World, verdict: Verdict) {
    this.#world = world
    this.#verdict = verdict
    this.host = new Host(world.time, 'store')
    this.#store = world.code.memoryStore({ clock: this.host.clock })
    for (let key = 0; key < world.plan.keys; key++) this.#watch(`k${key}` as StoreKey)
  }

  get store(): Store {
    return this.#store
  }

  oracle(key: StoreKey): RecordOracle {
    return this.#at(key).oracle
  }

  view(key: StoreKey): RecordView | undefined {
    return this.#at(key).view
  }

  #watch(key: StoreKey): void {
    const { time } = this.#world
    const oracle = new RecordOracle(key, this.host.clock, this.#verdict, () => time.nowMs)
    this.#watched.set(key, { key, oracle, view: undefined, leaseUntilMs: 0 })
  }

  #at(key: StoreKey): Watched {
    const watched = this.#watched.get(key)
    if (watched === undefined) throw new Error(`the simulation knows no ${key}`)
    return watched
  }

  async claim(terms: ClaimTerms): Promise<ClaimAnswer> {
    const watched = this.#at(terms.key)
    const answer = await this.#store.claim(terms)
    this.#world.coverage.hit(`claim: ${answer.kind}`)
    this.#note(answer.kind)
    watched.oracle.claimed(terms, answer)
    await this.#look(watched)
    return answer
  }

  async renew(key: StoreKey, token: Token, change: LeaseChange): Promise<RenewAnswer> {
    const watched = this.#at(key)
    const tell = (answer: RenewAnswer): void => watched.oracle.renewed(token, change, answer.kind)
    const answer = await this.#write(watched, token, false, () => this.#store.renew(key, token, change), tell)
    this.#note(answer.kind)
    return answer
  }

  async append(key: StoreKey, token: Token, piece: LogPiece, again: boolean): Promise<AppendAnswer> {
    const watched = this.#at(key)
    const tell = ({ kind }: AppendAnswer): void => watched.oracle.appended(token, kind)
    const answer = await this.#write(watched, token, again, () => this.#store.append(key, token, piece), tell)
    this.#note(answer.kind)
    return answer
  }

  async complete(key: StoreKey, token: Token, piece: LogPiece, again: boolean): Promise<CompleteAnswer> {
    const watched = this.#at(key)
    const tell = (answer: CompleteAnswer): void => watched.oracle.completed(token, answer)
    const answer = await this.#write(watched, token, again, () => this.#store.complete(key, token, piece), tell)
    this.#note(answer)
    return answer
  }

  async release(key: StoreKey, token: Token, terms: ReleaseTerms, again: boolean): Promise<ReleaseAnswer> {
    const watched = this.#at(key)
    const tell = (): void => watched.oracle.released(token, terms)
    const answer = await this.#write(watched, token, again, () => this.#store.release(key, token, terms), tell)
    this.#note(answer)
    return answer
  }

  async read(key: StoreKey, fence: number, offsetBytes: number, limitBytes: number): Promise<ReadAnswer> {
    const answer = await this.#store.read(key, fence, offsetBytes, limitBytes)
    const { oracle } = this.#at(key)
    if (answer.kind === 'bytes' && oracle.latest?.token.fence !== fence) oracle.wrong('I6', 'an older log can be read')
    this.#note(answer.kind)
    return answer
  }

  subscribe(key: StoreKey, hint: () => void): Subscription {
    return this.#store.subscribe(key, hint)
  }

  async sweep(limit: number): Promise<number> {
    const removed = await this.#store.sweep(limit)
    this.#world.coverage.hit('fault: sweep')
    if (removed === 0) return removed
    this.#world.coverage.hit('expired records swept', removed)
    for (const watched of this.#watched.values()) {
      watched.oracle.swept()
      await this.#look(watched)
    }
    return removed
  }

  async operate(key: StoreKey, fence: number, act: OperatorWish): Promise<OperatorAnswer> {
    const watched = this.#at(key)
    const answer = await this.#operate(key, fence, act)
    this.#world.coverage.hit(`operator: ${act} ${answer}`)
    if (answer === 'ok' && watched.oracle.latest?.token.fence !== fence)
      watched.oracle.wrong('I1', `${act} of another fence`)
    if (answer === 'ok') watched.oracle.operated(act)
    await this.#look(watched)
    return answer
  }

  #operate(key: StoreKey, fence: number, act: OperatorWish): Promise<OperatorAnswer> {
    switch (act) {
      case 'purge':
      case 'force':
        return this.#store.purge(key, fence, { force: act === 'force' })
      case 'resolve':
        return this.#store.resolve(key, fence)
      case 'cancel':
        return this.#store.cancel(key, fence)
    }
  }

  /** A write: by an older token, or delivered again, it may change nothing. */
  async #write<Answer>(
    watched: Watched,
    { fence }: Token,
    again: boolean,
    write: () => Promise<Answer>,
    tell: (answer: Answer) => void,
  ): Promise<Answer> {
    const older = watched.oracle.latest?.token.fence !== fence
    if (older || again) await this.#look(watched)
    const before = watched.view
    const { leaseUntilMs } = watched
    const answer = await write()
    tell(answer)
    await this.#look(watched)
    if (older && !isSame(before, watched.view, leaseUntilMs, watched.leaseUntilMs)) {
      watched.oracle.wrong('I6', `an older token changed ${describe(before)} to ${describe(watched.view)}`)
    } else if (again && !isSame(before, watched.view, 0, 0)) {
      watched.oracle.wrong('I7', `delivered again, it changed ${describe(before)} to ${describe(watched.view)}`)
    }
    return answer
  }

  async #look(watched: Watched): Promise<void> {
    const before = watched.view
    const { leaseUntilMs } = watched
    const after = await this.#store.get(watched.key)
    watched.view = after
    watched.leaseUntilMs = (after?.leaseLeftMs ?? 0) + this.host.clock.monotonicMs()
    watched.oracle.seen(after !== undefined)
    const from = before?.state ?? 'absent'
    const to = after?.state ?? 'absent'
    if (from === to && before?.fence === after?.fence) return
    this.#note(to)
    const { coverage } = this.#world
    if (!this.#isOver(before, leaseUntilMs)) return coverage.hit(`transition: ${from} → ${to}`)
    coverage.hit(`transition: ${from} → absent by expiry`)
    if (to !== 'absent') coverage.hit(`transition: absent → ${to}`)
  }

  #isOver(view: RecordView | undefined, leaseUntilMs: number): boolean {
    if (view === undefined || view.expiresAtMs > this.host.clock.wallMs()) return false
    return view.state !== 'running' || leaseUntilMs + graceMs <= this.host.clock.monotonicMs()
  }

  #note(what: string): void {
    const { time, trace } = this.#world
    let code = what.length
    for (let at = 0; at < what.length; at++) code = (Math.imul(code, 31) + what.charCodeAt(at)) | 0
    trace.note(time.nowMs, 4_000, code, () => `      store: ${what}`)
  }
}

function isSame(a: RecordView | undefined, b: RecordView | undefined, leaseA: number, leaseB: number): boolean {
  return (
    a?.state === b?.state &&
    a?.fence === b?.fence &&
    a?.attempt === b?.attempt &&
    a?.sent === b?.sent &&
    a?.lengthBytes === b?.lengthBytes &&
    a?.expiresAtMs === b?.expiresAtMs &&
    Math.abs(leaseA - leaseB) < 0.001
  )
}

function describe(view: RecordView | undefined): string {
  if (view === undefined) return 'absent'
  return `${view.state} (attempt ${view.attempt}, ${view.lengthBytes} bytes)`
}
