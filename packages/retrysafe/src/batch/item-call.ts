import type { Attempt } from '../engine/attempt.ts'
import type { Call } from '../engine/claim.ts'
import { pause } from '../engine/clock.ts'
import { deriveKey } from '../engine/context.ts'
import type { Engine } from '../engine/engine.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { followerOf, readOutcome } from '../engine/function-outcome.ts'
import { type FunctionRunResult, runFunction, type Settled } from '../engine/function-run.ts'
import { storeKey } from '../engine/identity.ts'
import type { ItemsHead, ValueHead } from '../engine/outcome.ts'
import { problemOf } from '../engine/refusal.ts'
import { type Turn, tellTurn } from '../engine/turn.ts'
import { valueFingerprint } from '../fingerprint/canonical-value.ts'
import type { BatchItem } from './batch-item.ts'
import { ItemTries, type TriesEnd, TriesEnded, type TryPort } from './item-tries.ts'
import type { LateClaim, LateClaims } from './late-claims.ts'

/** Whose the records of all batches are. */
const batchOperation = 'batch'

/** How long another runner that has an item is waited for before it is asked about again. */
const waitMs = 600_000
/** How long a store that is gone may take to come back before the batch ends. */
const storePatienceMs = 30_000
const storePauseMs = 1_000

const names = { maxWaiters: 'maxWaiters', maxResult: 'maxResultBytes' }

/** What all items of a running batch share. */
export interface BatchPort<Item, Value> extends TryPort<Item, Value> {
  readonly engine: Engine
  /** A batch has none: the HMAC of nobody. */
  readonly tenant: string
  readonly late: LateClaims
}

/** What became of one item. */
export type Settlement<Value> =
  | { readonly kind: 'done'; readonly value: Value; readonly replayed: boolean; readonly tries: number }
  | { readonly kind: 'failed'; readonly error: unknown; readonly tries: number }
  /** Nothing: the batch ends before. */
  | { readonly kind: 'left' }

/**
 * Brings one item to its end: replayed where it is recorded, waited for where somebody else runs it, sent where it is
 * neither.
 *
 * @throws what ends the whole batch: a store that is gone, full or closed, or another side that does not answer any more
 */
export function settleItem<Item, Value>(
  port: BatchPort<Item, Value>,
  item: BatchItem<Item>,
): Promise<Settlement<Value>> {
  return new ItemCall(port, item).settle()
}

class ItemCall<Item, Value> {
  readonly #port: BatchPort<Item, Value>
  readonly #item: BatchItem<Item>
  readonly #tries: ItemTries<Item, Value>
  readonly #call: Call & { mayRun: boolean }
  readonly #tell: (turn: Turn) => void
  /** What a run comes to that has lost its record. */
  #own: Promise<Settled> | undefined
  #storeGoneAtMs: number | undefined
  readonly #late: LateClaim

  constructor(port: BatchPort<Item, Value>, item: BatchItem<Item>) {
    const { rules, tenant } = port
    const { safe, surroundings } = rules
    this.#port = port
    this.#item = item
    this.#tries = new ItemTries(port, item)
    this.#call = callOf(port, item)
    this.#late = port.late.watch()
    const beganAtMs = surroundings.clock.monotonicMs()
    const facts = { operation: batchOperation, tenant, key: item.key, beganAtMs }
    this.#tell = turn => tellTurn(safe, facts, turn)
  }

  async settle(): Promise<Settlement<Value>> {
    try {
      return await this.#settle()
    } finally {
      this.#late.end()
    }
  }

  async #settle(): Promise<Settlement<Value>> {
    for (;;) {
      try {
        if (this.#port.stop.aborted) return { kind: 'left' }
        const settled = await this.#enter()
        if (settled !== undefined) return settled
      } catch (error) {
        if (!(error instanceof RetrysafeError)) throw error
        this.#tell({ kind: 'refused', code: error.code })
        const failed = await this.#refused(error)
        if (failed !== undefined) return failed
      }
    }
  }

  /** One claim, and what comes of it; `undefined`: claim again. */
  async #enter(): Promise<Settlement<Value> | undefined> {
    this.#late.begin()
    const entry = await this.#port.engine.enter<ValueHead | ItemsHead>(this.#call)
    this.#late.end()
    this.#storeGoneAtMs = undefined
    switch (entry.kind) {
      case 'run':
        return this.#ran(await this.#run(entry.attempt))
      case 'replay': {
        const { replay, joined } = entry
        this.#tell({ kind: 'replayed', ageMs: replay.ageMs, joined })
        return this.#settled(await readOutcome(batchOperation, followerOf(replay)), true)
      }
      case 'follow':
        this.#tell({ kind: 'joined' })
        return this.#settled(await readOutcome(batchOperation, entry.follower), true)
      case 'refused': {
        const { code, detail, retryAfterMs } = problemOf(entry.refusal, undefined, names)
        throw new RetrysafeError(code, `${this.#item.key}: ${detail}`, { retryAfterMs })
      }
      case 'none': {
        // An operator has purged the record while it ran: what it came to all the same, it came to here.
        const own = await this.#own
        this.#own = undefined
        this.#call.mayRun = true
        return own === undefined ? undefined : this.#settled(own, false)
      }
      case 'left':
        return { kind: 'left' }
    }
  }

  async #run(attempt: Attempt): Promise<FunctionRunResult> {
    const giveBack = (): void => this.#tries.giveBack()
    try {
      const result = await this.#runUnder(attempt)
      // It goes on, and keeps its turn.
      if (result.kind === 'lost') void result.own.finally(giveBack)
      else giveBack()
      return result
    } catch (error) {
      giveBack()
      throw error
    }
  }

  #runUnder(attempt: Attempt): Promise<FunctionRunResult> {
    const { rules, engine } = this.#port
    const { key } = this.#item
    let stop: AbortSignal | undefined
    return runFunction({
      safe: rules.safe,
      operation: batchOperation,
      attempt,
      isWanted: () => this.#tries.enter(),
      effect: () => this.#tries.run(attempt, stop as AbortSignal),
      endOf: error => (error instanceof TriesEnded ? error.end : 'failed'),
      contextOf: signal => {
        stop = signal
        return {
          key,
          signal,
          attempt: attempt.number,
          replayable: true,
          derive: use => deriveKey(engine.identity.fingerprintKey, this.#call.key, use),
        }
      },
      tell: this.#tell,
    })
  }

  async #ran(result: FunctionRunResult): Promise<Settlement<Value> | undefined> {
    switch (result.kind) {
      case 'not begun':
        return this.#ended(this.#tries.whyNot())
      case 'lost':
        this.#own = result.own
        this.#call.mayRun = false
        return undefined
      default:
        return this.#settled(result, false)
    }
  }

  async #settled(settled: Settled, replayed: boolean): Promise<Settlement<Value> | undefined> {
    const tries = this.#tries.count
    switch (settled.kind) {
      case 'value':
        return { kind: 'done', value: settled.value as Value, replayed, tries }
      case 'thrown':
        if (settled.error instanceof TriesEnded) return this.#ended(settled.error.why)
        return { kind: 'failed', error: settled.error, tries }
      case 'items':
        settled.follower.close()
        throw new Error('a batch records no items')
    }
  }

  async #ended(why: TriesEnd): Promise<Settlement<Value> | undefined> {
    switch (why.kind) {
      case 'failed':
        return { kind: 'failed', error: why.error, tries: this.#tries.count }
      case 'left':
        return { kind: 'left' }
      case 'claim again':
        return undefined
      case 'stalled':
        throw stalled(this.#port)
    }
  }

  /** What the engine refused; `undefined`: claim again. @throws what is the end of the batch */
  async #refused(error: RetrysafeError): Promise<Settlement<Value> | undefined> {
    const { rules, stop } = this.#port
    const { timers, clock, random } = rules.surroundings
    switch (error.code) {
      case 'IN_FLIGHT':
        await pause(timers, error.retryAfterMs ?? storePauseMs, stop)
        return undefined
      case 'KEY_REUSED':
      case 'OUTCOME_UNKNOWN':
      case 'RESULT_NOT_KEPT':
        return { kind: 'failed', error, tries: this.#tries.count }
      case 'STORE_UNAVAILABLE': {
        const nowMs = clock.monotonicMs()
        this.#storeGoneAtMs ??= nowMs
        if (nowMs - this.#storeGoneAtMs >= storePatienceMs) throw error
        this.#late.begin(error.message)
        await pause(timers, storePauseMs * (0.5 + random.unit()), stop)
        return undefined
      }
      default:
        throw error
    }
  }
}

function callOf<Item, Value>(
  { rules, engine, tenant, stop }: BatchPort<Item, Value>,
  { key, fingerprint }: BatchItem<Item>,
): Call & { mayRun: boolean } {
  const raw = valueFingerprint(engine.identity.fingerprintKey, fingerprint)
  return {
    ...rules.policy,
    key: storeKey(tenant, batchOperation, key),
    raw,
    canonical: () => raw,
    canonicalFirst: true,
    label: { key, operation: batchOperation, tenant: tenant.slice(0, 8) },
    waitMs,
    mayRun: true,
    signal: stop,
  }
}

function stalled<Item, Value>({ gate, rules }: BatchPort<Item, Value>): RetrysafeError {
  const last = gate.lastTrouble === undefined ? '' : `; the last trouble: ${gate.lastTrouble}`
  const advice = 'what is done is kept: run it again once the other side answers'
  return new RetrysafeError(
    'UPSTREAM_UNREACHABLE',
    `batch ${rules.batchId}: nothing answers any more${last}; ${advice}`,
  )
}
