import type { AttemptEnd, RecordState, StoreKey, Token } from '../engine/record.ts'
import type { ClaimTerms } from '../engine/store.ts'
import { ModelPairs } from './model-pairs.ts'
import {
  acquired,
  anything,
  change,
  compare,
  type Drawn,
  entomb,
  lapsed,
  type ModelRecord,
  openLifeMs,
} from './model-record.ts'
import { putStep, startStep } from './model-steps.ts'
import type { PieceRequest, Request } from './request.ts'
import { type Sight, sightOf } from './sight.ts'

/** A small reference of the store's contract. It does one request at a time and forgets nothing but what it is told. */
export class Model {
  readonly records: Map<StoreKey, ModelRecord> = new Map()
  readonly #mayLoseRows: boolean
  #pairs = new ModelPairs()
  #lastFence = new Map<StoreKey, number>()

  /** @param mayLoseRows the store's trait: late completes may bring back what was lost, so more tombstones stay, longer */
  constructor(mayLoseRows: boolean) {
    this.#mayLoseRows = mayLoseRows
  }

  clone(): Model {
    const twin = new Model(this.#mayLoseRows)
    twin.#pairs = this.#pairs.clone()
    twin.#lastFence = new Map(this.#lastFence)
    for (const [key, record] of this.records) {
      const steps = new Map([...record.steps].map(([id, step]) => [id, { ...step }]))
      twin.records.set(key, { ...record, steps })
    }
    return twin
  }

  /** The record, unless there is none or its time is over. */
  live(key: StoreKey, nowMs: number): ModelRecord | undefined {
    const record = this.records.get(key)
    if (record === undefined || nowMs < record.endMs) return record
    return record.state === 'running' && !lapsed(record, nowMs) ? record : undefined
  }

  sight(key: StoreKey, nowMs: number): Sight {
    return sightOf(this.live(key, nowMs), nowMs)
  }

  /**
   * The contract leaves open what the same claim is told once its own record has lapsed and expired: the same attempt,
   * which can write nothing more, or a new one.
   */
  leavesOpen(request: Request, nowMs: number): boolean {
    if (request.kind !== 'claim') return false
    const { key, owner } = request.terms
    return this.records.get(key)?.token.owner === owner && this.live(key, nowMs) === undefined
  }

  /** What the store must answer; throws where it drew what it may not. */
  answer(request: Request, nowMs: number, drawn: Drawn): unknown {
    switch (request.kind) {
      case 'claim':
        return this.#claim(request.terms, nowMs, drawn)
      case 'renew':
        return this.#renew(request, nowMs)
      case 'append':
        return this.#append(request, nowMs)
      case 'complete':
        return this.#complete(request, nowMs)
      case 'release':
        return this.#release(request, nowMs)
      case 'stepStart':
        return this.#stepStart(request, nowMs)
      case 'stepPut':
        return this.#stepPut(request, nowMs)
      case 'cancel':
      case 'resolve':
      case 'purge':
        return this.#operate(request, nowMs)
      case 'offer':
        return this.#pairs.offer(request.pair, request.offer, nowMs)
      case 'take':
        return this.#pairs.take(request.pair, request.count, request.owner, nowMs)
    }
  }

  #claim(terms: ClaimTerms, now: number, drawn: Drawn): unknown {
    const record = this.live(terms.key, now)
    if (record === undefined) return this.#begin(terms, now, drawn)
    const { state, token, attempt } = record
    if (token.owner === terms.owner) {
      if (state === 'running') return acquired(record)
      if (state === 'open')
        return { kind: 'cooling', leftMs: Math.max(1, record.coolUntilMs - now), fence: token.fence }
      if (state === 'purged') return { kind: 'cooling', leftMs: anything, fence: token.fence }
    }
    if (state === 'purged') return this.#begin(terms, now, drawn)
    const nothingLeft = state === 'open' && attempt === 0 && record.steps.size === 0
    if (!nothingLeft) {
      const verdict = compare(record, terms, state === 'running' && !lapsed(record, now))
      if (verdict === 'mismatch') return { kind: 'mismatch' }
      if (verdict === 'undecided') return { kind: 'undecided', fence: token.fence }
    }
    if (state === 'unknown') return { kind: 'unknown', attempt }
    if (state === 'completed') {
      const log = { lengthBytes: record.log.length, bytes: record.log }
      return {
        kind: 'completed',
        fence: token.fence,
        ageMs: now - (record.completedAtMs ?? now),
        expiresAtMs: record.endMs,
        log,
      }
    }
    if (state === 'open') {
      if (now < record.coolUntilMs) return { kind: 'cooling', leftMs: record.coolUntilMs - now, fence: token.fence }
      if (nothingLeft) return this.#begin(terms, now, drawn)
    } else if (!lapsed(record, now)) {
      const leaseLeftMs = Math.max(0, record.leaseEndMs - now)
      return { kind: 'running', fence: token.fence, leaseLeftMs, lengthBytes: record.log.length }
    }
    const forbidden = state === 'running' && record.policy === 'fail' && record.sent
    if (record.steps.size === 0 && (forbidden || attempt >= record.cap)) {
      change(record, { state: 'unknown', endMs: now + record.retentionMs })
      return { kind: 'unknown', attempt }
    }
    if (state === 'running') record.zombies = 'yes'
    return this.#run(record, terms, now, drawn, attempt + 1)
  }

  #begin(terms: ClaimTerms, now: number, drawn: Drawn): unknown {
    const before = this.records.get(terms.key)
    const expired = before !== undefined && this.live(terms.key, now) === undefined
    const zombies = before === undefined ? 'no' : expired && before.zombies !== 'no' ? 'perhaps' : before.zombies
    const record: ModelRecord = {
      state: 'running',
      token: { fence: 0, owner: '' },
      raw: terms.raw,
      canonical: terms.canonical,
      policy: terms.onCrash,
      cap: terms.maxAttempts,
      attempt: 1,
      sent: false,
      cancelled: false,
      retentionMs: terms.retentionMs,
      leaseEndMs: 0,
      coolUntilMs: 0,
      endMs: 0,
      claimedAtMs: now,
      completedAtMs: undefined,
      log: '',
      steps: new Map(),
      zombies,
    }
    this.records.set(terms.key, record)
    return this.#run(record, terms, now, drawn, 1)
  }

  #run(record: ModelRecord, terms: ClaimTerms, now: number, drawn: Drawn, attempt: number): unknown {
    const last = this.#lastFence.get(terms.key) ?? 0
    const fence = drawn.fence ?? Number.NaN
    if (fence <= last) throw new Error(`I1: the fence ${fence} does not rise above ${last}`)
    this.#lastFence.set(terms.key, fence)
    change(record, {
      state: 'running',
      token: { fence, owner: terms.owner },
      attempt,
      sent: record.policy === 'rerun',
      cancelled: false,
      leaseEndMs: now + terms.leaseMs,
      coolUntilMs: 0,
      claimedAtMs: now,
      log: '',
      endMs: Math.max(record.endMs, now + terms.leaseMs + record.retentionMs),
    })
    return acquired(record)
  }

  #mine({ key, token }: { key: StoreKey; token: Token }, now: number): ModelRecord | undefined {
    const record = this.live(key, now)
    return record?.token.fence === token.fence && record.token.owner === token.owner ? record : undefined
  }

  #running(request: { key: StoreKey; token: Token }, now: number): ModelRecord | undefined {
    const record = this.#mine(request, now)
    return record?.state === 'running' ? record : undefined
  }

  #renew(request: Request & { kind: 'renew' }, now: number): unknown {
    const record = this.#running(request, now)
    if (record === undefined) return { kind: 'lost' }
    record.leaseEndMs = now + request.leaseMs
    record.endMs = Math.max(record.endMs, record.leaseEndMs + record.retentionMs)
    record.sent ||= request.sent
    record.canonical ??= request.canonical
    return { kind: 'ok', cancelled: record.cancelled, followed: false }
  }

  #append(request: PieceRequest, now: number): unknown {
    const record = this.#running(request, now)
    if (record === undefined) return { kind: 'lost' }
    const lengthBytes = record.log.length
    if (request.offset === lengthBytes) {
      record.log += request.text
      record.canonical ??= request.canonical
      return { kind: 'ok', lengthBytes: record.log.length, followed: false }
    }
    return request.offset + request.text.length <= lengthBytes ? { kind: 'dup' } : { kind: 'gap', lengthBytes }
  }

  #complete(request: PieceRequest, now: number): unknown {
    const record = this.#mine(request, now)
    if (record?.state === 'completed') return 'dup'
    if (record?.state !== 'running' && record?.state !== 'unknown') return 'lost'
    if (request.offset > record.log.length) return 'gap'
    record.log = record.log.slice(0, request.offset) + request.text
    record.canonical ??= request.canonical
    change(record, { state: 'completed', completedAtMs: now, endMs: now + record.retentionMs })
    return 'ok'
  }

  #release(request: Request & { kind: 'release' }, now: number): unknown {
    if (this.live(request.key, now) === undefined) return 'ok'
    const record = this.#mine(request, now)
    if (record === undefined || record.state === 'completed') return 'lost'
    if (record.state !== 'running') return 'ok'
    record.canonical ??= request.canonical
    this.#end(request.key, record, request.end, request.cooldownMs, now)
    return 'ok'
  }

  #end(key: StoreKey, record: ModelRecord, end: AttemptEnd, cooldownMs: number, now: number): void {
    const counted = end === 'broken' || end === 'cancelled'
    if (record.steps.size === 0) {
      if (end === 'free') return this.#delete(key, record, now)
      const fails = record.policy === 'fail'
      if ((end === 'broken' && fails) || (end === 'cancelled' && fails && record.sent)) {
        change(record, { state: 'unknown', endMs: now + record.retentionMs })
        return
      }
      if (end === 'cancelled') return entomb(record, now, this.#mayLoseRows)
    }
    if (!counted) record.attempt -= 1
    const livesMs = openLifeMs(record, this.#mayLoseRows)
    change(record, {
      state: 'open',
      log: '',
      coolUntilMs: now + cooldownMs,
      endMs: now + Math.max(livesMs, cooldownMs),
    })
  }

  #delete(key: StoreKey, record: ModelRecord, now: number): void {
    const { zombies } = record
    if (zombies === 'no') this.records.delete(key)
    else entomb(record, now, this.#mayLoseRows)
    if (zombies === 'perhaps') record.zombies = zombies
  }

  /** Where the contract lets the store choose between a tombstone and nothing, the model follows what it sees. */
  settle(key: StoreKey, seen: RecordState | undefined): void {
    const record = this.records.get(key)
    if (record?.state !== 'purged' || record.zombies !== 'perhaps') return
    if (seen === undefined) this.records.delete(key)
    else record.zombies = 'yes'
  }

  #stepStart(request: Request & { kind: 'stepStart' }, now: number): unknown {
    const record = this.#running(request, now)
    return record === undefined ? { kind: 'lost' } : startStep(record, request.step)
  }

  #stepPut(request: Request & { kind: 'stepPut' }, now: number): unknown {
    const record = this.#running(request, now)
    return record === undefined ? { kind: 'lost' } : putStep(record, request.id, request.value)
  }

  #operate(request: Request & { kind: 'cancel' | 'resolve' | 'purge' }, now: number): unknown {
    const record = this.live(request.key, now)
    if (record === undefined || record.state === 'purged') return 'absent'
    if (record.token.fence !== request.token.fence) return 'changed'
    const running = record.state === 'running'
    if (request.kind === 'cancel') {
      record.cancelled ||= running
      return running ? 'ok' : 'refused'
    }
    if (request.kind === 'resolve' && record.state !== 'unknown') return running ? 'running' : 'refused'
    if (request.kind === 'purge' && running && !request.force) return 'running'
    const leavesTombstone = running || record.state === 'unknown' || (this.#mayLoseRows && record.state === 'completed')
    if (leavesTombstone) entomb(record, now, this.#mayLoseRows)
    else this.#delete(request.key, record, now)
    return 'ok'
  }
}
