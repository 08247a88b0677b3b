import type { Clock } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import type { RecordState, StoreKey, Token } from '../../engine/record.ts'
import {
  type ClaimAnswer,
  type ClaimTerms,
  inlineLogBytes,
  type OperatorAnswer,
  type ReadAnswer,
  type RecordPage,
  type Store,
} from '../../engine/store.ts'
import { processSurroundings } from '../../engine/surroundings.ts'
import { Hints } from '../hints.ts'
import { claimRow } from '../row/claim.ts'
import { type OperatorAct, operateOnRow } from '../row/operator.ts'
import { type Change, isExpired, isLapsed, type StoreTime, viewOf } from '../row/row.ts'
import { keepStepValue, type StepOutcome, startStep } from '../row/step.ts'
import { appendRow, completeRow, releaseRow, renewRow } from '../row/write.ts'
import { Counters } from './counters.ts'
import { Entries, type Entry } from './entries.ts'
import { Pairs } from './pairs.ts'

export interface MemoryStoreOptions {
  /** Records at most. Default 1_000_000. */
  readonly maxEntries?: number
  /** Bytes at most, counted as outcomes + about 1 KiB a record. Default 512 MiB. */
  readonly maxBytes?: number
  /** Default: this process's clock. */
  readonly clock?: Clock
}

/**
 * A store in this process's memory: for one process, and gone with it.
 * Bounded; no live or unexpired record is ever dropped: past the bound claims are refused with `STORE_FULL`, while
 * outcomes of claims already made still land.
 *
 * @example
 * const store = memoryStore({ maxBytes: 64 * 1_048_576 })
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const clock = options.clock ?? processSurroundings.clock
  const entries = new Entries(options.maxEntries ?? 1_000_000, options.maxBytes ?? 512 * 1_048_576)
  const hints = new Hints()
  const pairs = new Pairs()
  const counters = new Counters()
  const meta = new Map<string, Uint8Array>()
  let lastFence = 0
  let closed = false

  /** Asked first by every step, so a closed store refuses them all. */
  function time(): StoreTime {
    if (closed) throw new RetrysafeError('STORE_UNAVAILABLE', 'the memory store is closed: open a new one')
    return { leaseMs: clock.monotonicMs(), wallMs: clock.wallMs() }
  }

  function apply(key: StoreKey, change: Change): void {
    if (change.kind === 'keep') return
    if (change.kind === 'delete') entries.delete(key)
    else entries.put(key, change.row)
    hints.tell(key)
  }

  function claim(terms: ClaimTerms): ClaimAnswer {
    const now = time()
    const entry = entries.get(terms.key)
    const { answer, change } = claimRow(entry?.row, terms, now, Math.max(Math.floor(now.wallMs * 1_000), lastFence + 1))
    if (entry === undefined && change.kind === 'put') makeRoom(now)
    if (change.kind === 'put') lastFence = Math.max(lastFence, change.row.fence)
    apply(terms.key, change)
    if (answer.kind !== 'completed') return answer
    return { ...answer, log: sealedLog(entry) }
  }

  function makeRoom(now: StoreTime, records = 1): void {
    if (entries.hasRoom(records)) return
    sweep(Math.max(1_000, records), now)
    if (entries.hasRoom(records)) return
    throw new RetrysafeError(
      'STORE_FULL',
      `the memory store holds ${entries.size} records and about ${entries.bytes} bytes, its bound: raise maxEntries or maxBytes, or shorten the retention`,
    )
  }

  function sweep(limit: number, now: StoreTime): number {
    pairs.sweep(now.wallMs)
    return entries.sweep(limit, now, key => hints.tell(key))
  }

  function read(key: StoreKey, fence: number, offsetBytes: number, limitBytes: number): ReadAnswer {
    const now = time()
    const entry = entries.get(key)
    if (entry === undefined || isExpired(entry.row, now)) return { kind: 'ended', state: 'absent', cooldownMs: 0 }
    const { row, log } = entry
    if (row.fence !== fence || (row.state !== 'running' && row.state !== 'completed')) {
      const cooldownMs = row.state === 'open' ? Math.max(0, row.cooldownUntilMs - now.leaseMs) : 0
      return { kind: 'ended', state: row.state, cooldownMs }
    }
    const sealed = row.state === 'completed'
    const lapsed = !sealed && isLapsed(row, now)
    return { kind: 'bytes', bytes: log.read(offsetBytes, limitBytes), lengthBytes: log.lengthBytes, sealed, lapsed }
  }

  function takeStep<Answer>(key: StoreKey, stepId: string, { answer, change }: StepOutcome<Answer>): Answer {
    if (change !== undefined) {
      entries.put(key, change.row)
      entries.putStep(key, stepId, change.step)
    }
    return answer
  }

  function operate(key: StoreKey, fence: number, act: OperatorAct): OperatorAnswer {
    const { answer, change } = operateOnRow(entries.get(key)?.row, fence, act, time())
    apply(key, change)
    return answer
  }

  function list(state: RecordState | undefined, cursor: string | undefined, limit: number): RecordPage {
    const now = time()
    const found = entries.page(
      cursor,
      limit,
      row => !isExpired(row, now) && (state === undefined || row.state === state),
    )
    const records = found.keys.flatMap(key => {
      const entry = entries.get(key)
      return entry === undefined ? [] : [viewOf(key, entry.row, now)]
    })
    return { records, ...(found.cursor !== undefined && { cursor: found.cursor }) }
  }

  return {
    name: 'memory',
    traits: { crossProcess: false, transactional: false, mayLoseRows: false, pollMs: 100 },
    claim: async terms => claim(terms),
    async claimMany(many) {
      // All or none: answers of claims that were made must not get lost behind a later one's refusal.
      const now = time()
      const fresh = new Set(many.map(terms => terms.key).filter(key => entries.get(key) === undefined))
      if (fresh.size > 0) makeRoom(now, fresh.size)
      return many.map(claim)
    },
    async renew(key, token, terms) {
      const { answer, change } = renewRow(entries.get(key)?.row, token, terms, time(), hints.isFollowed(key))
      // Nobody follows a lease, so a renewal gives no hint, unless it says the canonical form that somebody waits for.
      if (terms.canonical !== undefined) apply(key, change)
      else if (change.kind === 'put') entries.put(key, change.row)
      return answer
    },
    async append(key, token, piece) {
      const entry = entries.get(key)
      const { answer, change } = appendRow(entry?.row, token, piece, time(), hints.isFollowed(key))
      if (answer.kind === 'ok') entries.writeLog(key, piece.offsetBytes, piece.bytes)
      apply(key, change)
      return answer
    },
    async complete(key, token: Token, piece) {
      const { answer, change } = completeRow(entries.get(key)?.row, token, piece, time())
      if (answer === 'ok') entries.writeLog(key, piece.offsetBytes, piece.bytes)
      apply(key, change)
      return answer
    },
    async release(key, token, terms) {
      const { answer, change } = releaseRow(entries.get(key)?.row, token, terms, time())
      apply(key, change)
      return answer
    },
    read: async (key, fence, offsetBytes, limitBytes) => read(key, fence, offsetBytes, limitBytes),
    subscribe: (key, hint) => hints.subscribe(key, hint),
    async stepStart(key, token, step) {
      const entry = entries.get(key)
      return takeStep(key, step.id, startStep(entry?.row, entry?.steps?.get(step.id), token, step, time()))
    },
    async stepPut(key, token, step) {
      const entry = entries.get(key)
      const stored = entry?.steps?.get(step.id)
      return takeStep(key, step.id, keepStepValue(entry?.row, stored, token, step.value, time()))
    },
    async stepGet(key, stepId) {
      const entry = entries.get(key)
      const now = time()
      const value = entry === undefined || isExpired(entry.row, now) ? undefined : entry.steps?.get(stepId)?.value
      return value === undefined ? { kind: 'absent' } : { kind: 'exists', value }
    },
    offer: async (pairKey, offer) => pairs.offer(pairKey, offer, time().wallMs),
    take: async (pairKey, taker) => pairs.take(pairKey, taker.count, taker.owner, time().wallMs),
    async count(bucket, deltas, sequence) {
      time()
      return counters.add(bucket, deltas, sequence)
    },
    async counters(bucket) {
      time()
      return counters.read(bucket)
    },
    async metaInit(name, value) {
      time()
      const kept = meta.get(name) ?? value
      meta.set(name, kept)
      return kept
    },
    cancel: async (key, fence) => operate(key, fence, { kind: 'cancel' }),
    resolve: async (key, fence) => operate(key, fence, { kind: 'resolve' }),
    purge: async (key, fence, { force }) => operate(key, fence, { kind: 'purge', force }),
    async get(key) {
      const entry = entries.get(key)
      const now = time()
      return entry === undefined || isExpired(entry.row, now) ? undefined : viewOf(key, entry.row, now)
    },
    list: async query => list(query.state, query.cursor, query.limit),
    unknown: async query => list('unknown', query.cursor, query.limit),
    sweep: async limit => sweep(limit, time()),
    now: async () => time().wallMs,
    async close() {
      closed = true
      hints.close()
    },
  }
}

function sealedLog(entry: Entry | undefined): { lengthBytes: number; bytes?: Uint8Array } {
  const lengthBytes = entry?.log.lengthBytes ?? 0
  return entry !== undefined && lengthBytes <= inlineLogBytes
    ? { lengthBytes, bytes: entry.log.whole() }
    : { lengthBytes }
}
