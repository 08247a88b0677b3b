import type { Attempt } from '../engine/attempt.ts'
import { pause } from '../engine/clock.ts'
import { jitterMs } from '../engine/delay.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { isAsyncIterable } from '../engine/function-run.ts'
import type { AttemptEnd } from '../engine/record.ts'
import { describeThrown } from '../engine/thrown.ts'
import type { BatchItem } from './batch-item.ts'
import type { Gate, GateOutcome, Pass } from './gate/gate.ts'
import type { BadSpell } from './gate/outage.ts'
import type { BatchEvent, BatchRules } from './options.ts'
import { judgeThrown, type TryVerdict } from './try-verdict.ts'

/** Tries that are not the item's fault; one that always meets them is set aside all the same. */
const mostBlameless = 100

/** What the tries of all items share. */
export interface TryPort<Item, Value> {
  readonly rules: BatchRules<Item, Value>
  readonly gate: Gate
  /** Fires when nothing new may begin. */
  readonly stop: AbortSignal
  /** Never throws. */
  readonly tell: (event: BatchEvent) => void
}

/** Thrown out of a run: how it ends, and why. */
export class TriesEnded extends Error {
  readonly end: AttemptEnd
  readonly why: TriesEnd

  constructor(end: AttemptEnd, why: TriesEnd) {
    super(why.kind)
    this.end = end
    this.why = why
  }
}

export type TriesEnd =
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The batch ends before the item was tried to its end. */
  | { readonly kind: 'left' }
  | { readonly kind: 'stalled' }
  /** The claim covers no further try: claim anew. */
  | { readonly kind: 'claim again' }

/** All tries of one item in this run of the batch, over however many claims. */
export class ItemTries<Item, Value> {
  readonly #port: TryPort<Item, Value>
  readonly #item: BatchItem<Item>
  #count = 0
  /** When it failed by what may be its own fault; of an outage that is known only later. */
  readonly #failedIn: BadSpell[] = []
  #lastSpell: BadSpell | undefined
  #ambiguous = 0
  #blameless = 0
  /** What is known of the sends of this claim, should it end here. */
  #end: AttemptEnd = 'free'
  #pass: Pass | undefined
  /** What came of the turn that is still held. */
  #answered: GateOutcome | undefined
  #stalled = false

  constructor(port: TryPort<Item, Value>, item: BatchItem<Item>) {
    this.#port = port
    this.#item = item
  }

  /** Sends so far. */
  get count(): number {
    return this.#count
  }

  /** Waits for the item's turn. @returns whether it came */
  async enter(): Promise<boolean> {
    const pass = await this.#port.gate.enter(this.#port.stop, this.#item.tokens, this.#count)
    if (pass === 'stalled') this.#stalled = true
    else this.#pass = pass
    return this.#pass !== undefined
  }

  /** Gives the turn back: what was sent is recorded, or nothing was. */
  giveBack(): void {
    this.#leave(this.#answered ?? { kind: 'unused' })
    this.#answered = undefined
  }

  /** Why the turn did not come. */
  whyNot(): TriesEnd {
    if (this.#stalled) return { kind: 'stalled' }
    return this.#port.stop.aborted ? { kind: 'left' } : { kind: 'claim again' }
  }

  /**
   * Sends the item until it is done, under one claim, from a turn that has come. That of the try which did it is kept
   * until it is given back: what is sent and not recorded, which a crash would cost, is never more than may be sent.
   *
   * @param stop fires when the run must stop
   * @throws {TriesEnded}
   */
  async run(attempt: Attempt, stop: AbortSignal): Promise<Value> {
    this.#end = 'free'
    for (;;) {
      const answer = await this.#send(stop)
      if (answer.kind === 'value') return answer.value
      const delayMs = this.#next(answer.error, stop)
      if (delayMs > 0) await pause(this.#port.rules.surroundings.timers, delayMs, this.#port.stop)
      if (!(await this.enter())) throw new TriesEnded(this.#end, this.whyNot())
      if (await attempt.mayTryAgain().catch(() => false)) continue
      this.giveBack()
      if (attempt.isCancelled) throw new TriesEnded(this.#end, { kind: 'failed', error: stop.reason })
      throw new TriesEnded(this.#end, this.whyNot())
    }
  }

  async #send(stop: AbortSignal): Promise<{ kind: 'value'; value: Value } | { kind: 'thrown'; error: unknown }> {
    const { rules } = this.#port
    const { item, key, customId, index } = this.#item
    this.#count++
    const context = { idempotencyKey: key, signal: stop, attempt: this.#count, customId, index }
    try {
      const value = await rules.send(item, context)
      if (isAsyncIterable(value)) throw streamed()
      this.#answered = { kind: 'answered', tokens: this.#used(value) }
      return { kind: 'value', value }
    } catch (error) {
      return { kind: 'thrown', error }
    }
  }

  /** What its answer says it used; it is too late for a mistake in here to cost the answer. */
  #used(value: Value): number | undefined {
    const { tokens, safe } = this.#port.rules
    try {
      return tokens?.used(value)
    } catch (error) {
      safe.warnOnce('batch tokens.used', `tokens.used failed: ${describeThrown(error)}`)
      return undefined
    }
  }

  /**
   * What follows a try that failed.
   *
   * @returns ms to wait before the next
   * @throws {TriesEnded} where there is none
   */
  #next(error: unknown, stop: AbortSignal): number {
    const { surroundings } = this.#port.rules
    const verdict = judgeThrown(error, surroundings)
    const spell = this.#leaveFailed(outcomeOf(verdict, error))
    const isSafe = verdict.kind === 'ambiguous' && this.#honoursKeys()
    // A later answer says nothing of an earlier try that had none.
    if (this.#end !== 'broken') this.#end = endOf(verdict, isSafe)
    const asked = stop.aborted ? undefined : this.#delayMs(verdict, isSafe, spell)
    // At the end of all patience there is a last try.
    const delayMs = asked === undefined ? undefined : Math.min(asked, this.#port.gate.patienceMs())
    const { key, customId } = this.#item
    const next = delayMs === undefined ? 'fail' : 'retry'
    const facts = { key, customId, tries: this.#count, error, next, delayMs: delayMs ?? 0 } as const
    this.#port.tell({ kind: 'try failed', ...facts })
    if (delayMs === undefined) throw new TriesEnded(this.#end, { kind: 'failed', error })
    return delayMs
  }

  /** @returns `undefined`: there is no other try */
  #delayMs(verdict: TryVerdict, isSafe: boolean, spell: BadSpell): number | undefined {
    const { rules } = this.#port
    switch (verdict.kind) {
      case 'final':
      case 'fault':
        return undefined
      case 'throttled':
      case 'unreachable':
      case 'deserted':
        if (++this.#blameless > mostBlameless) return undefined
        // What the other side asks for everybody waits for, at the gate.
        if (verdict.kind === 'throttled' && verdict.retryAfterMs) return 0
        return jitterMs(rules, this.#blameless)
      case 'at work':
        if (++this.#blameless > mostBlameless) return undefined
        return Math.min(rules.maxDelayMs, Math.max(verdict.retryAfterMs ?? 0, jitterMs(rules, this.#blameless)))
      case 'failing':
        if (!this.#mayFailOn(spell)) return undefined
        return Math.min(rules.maxDelayMs, verdict.retryAfterMs ?? this.#jitterMs(spell))
      case 'ambiguous':
        if (!verdict.mayRetry || !this.#mayFailOn(spell)) return undefined
        // Whosever fault it is, it may have been paid.
        if (!isSafe && ++this.#ambiguous > rules.ambiguousRetries) return undefined
        return this.#jitterMs(spell)
    }
  }

  /** It failed: no retry is used up by what befell everybody. */
  #mayFailOn(spell: BadSpell): boolean {
    this.#failedIn.push(spell)
    return this.#spent <= this.#port.rules.retries && this.#failedIn.length - this.#spent <= mostBlameless
  }

  get #spent(): number {
    return this.#failedIn.filter(spell => !spell.isEverybodys).length
  }

  /** In an outage the gate says when the next may try. */
  #jitterMs(spell: BadSpell): number {
    return spell.isEverybodys ? 0 : jitterMs(this.#port.rules, this.#spent)
  }

  #honoursKeys(): boolean {
    try {
      return this.#port.rules.honoursKeys()
    } catch (error) {
      this.#port.rules.safe.warnOnce('batch honoursKeys', `honoursKeys failed: ${describeThrown(error)}`)
      return false
    }
  }

  /** @returns the bad spell that it was in; of what somebody answered, one that nobody shares */
  #leaveFailed(outcome: GateOutcome): BadSpell {
    if (outcome.kind !== 'failed') {
      this.#leave(outcome)
      return { isEverybodys: false }
    }
    const { gate } = this.#port
    this.#leave({ ...outcome, isNew: this.#spent === 0 && this.#lastSpell !== gate.spell })
    this.#lastSpell = gate.spell
    return gate.spell
  }

  #leave(outcome: GateOutcome): void {
    this.#pass?.leave(outcome)
    this.#pass = undefined
  }
}

function outcomeOf(verdict: TryVerdict, error: unknown): GateOutcome {
  const trouble = describeThrown(error)
  switch (verdict.kind) {
    case 'throttled':
      return { kind: 'throttled', retryAfterMs: verdict.retryAfterMs, trouble }
    case 'unreachable':
      return { kind: 'unreachable', trouble }
    case 'ambiguous':
    case 'deserted':
      return { kind: 'failed', trouble }
    case 'failing':
      return verdict.isAlive ? { kind: 'answered' } : { kind: 'failed', trouble }
    // A mistake of our own says nothing against the other side.
    case 'at work':
    case 'final':
    case 'fault':
      return { kind: 'answered' }
  }
}

function endOf(verdict: TryVerdict, isSafe: boolean): AttemptEnd {
  switch (verdict.kind) {
    case 'final':
      return verdict.end
    case 'unreachable':
      return 'free'
    case 'throttled':
    case 'deserted':
    case 'at work':
    case 'failing':
      return 'failed'
    case 'ambiguous':
      return isSafe ? 'failed' : 'broken'
    case 'fault':
      return 'broken'
  }
}

function streamed(): RetrysafeError {
  const cure = 'take it in, and give what it came to'
  return new RetrysafeError('RESULT_NOT_SERIALIZABLE', `send gave a stream; a batch keeps values: ${cure}`)
}
