import type { Surroundings, Timer } from '../../engine/clock.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { Hold } from './hold.ts'
import { type BadSpell, type Failure, Outage } from './outage.ts'
import { Patience } from './patience.ts'
import { Queue, type Waiter } from './queue.ts'
import { Rate } from './rate.ts'

/** What a try had to say once it was over: all that the gate ever learns of the other side. */
export type GateOutcome =
  /** Any complete answer that is not a throttle, 4xx included. */
  | { readonly kind: 'answered'; readonly tokens?: number | undefined }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number | undefined; readonly trouble: string }
  /** Nothing was sent: nobody was there to take it. */
  | { readonly kind: 'unreachable'; readonly trouble: string }
  /** Cut, timeout, 5xx: says nothing of the limit, but is no sign of life either; `isNew`: of an item that had no failure. */
  | { readonly kind: 'failed'; readonly trouble: string; readonly isNew?: boolean }
  /** Nothing was sent, for reasons of our own: what the pass had taken comes back. */
  | { readonly kind: 'unused' }

/** The right to send once. */
export interface Pass {
  /** Gives the slot back; a second time does nothing. */
  leave(outcome: GateOutcome): void
}

/** The door that every try of a batch goes through: how many may be under way, and when the next may begin. */
export interface Gate {
  /**
   * Waits for a turn, in the order of asking; but what was sent before takes turns with what was not.
   *
   * @param tries how often it was sent before
   * @returns undefined when the signal fired, or `stalled` once nothing answers for too long
   */
  enter(signal: AbortSignal, tokens: number, tries?: number): Promise<Pass | 'stalled' | undefined>
  /** The most that may be under way now. */
  readonly limit: number
  readonly inFlight: number
  /** How much longer nobody may enter; 0: not held. */
  heldMs(): number
  /** How much longer nothing but trouble is borne; no wait need be longer. Infinity: there is none, or it is over. */
  patienceMs(): number
  /** The last thing that went wrong, for the message of a stall. */
  readonly lastTrouble: string | undefined
  /** What goes wrong since the last answer. */
  readonly spell: BadSpell
}

export interface GateRules {
  readonly concurrency: number
  readonly adaptive: boolean
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly giveUpMs: number
  readonly firstAnswerMs: number
  /** Called when limit or hold has changed. */
  readonly onChange?: ((gate: Gate) => void) | undefined
}

/** A refusal after which nothing was answered before the next one: the other side means it. */
const firstBarrenMs = 250
const lastBarrenMs = 30_000
const mostTimerMs = 2 ** 31 - 1

/** A pass that is out. */
interface Sent {
  readonly number: number
  readonly tokens: number
  readonly sentMs: number
}

export function openGate(rules: GateRules, surroundings: Surroundings): Gate {
  return new BatchGate(rules, surroundings)
}

class BatchGate implements Gate {
  readonly #rules: GateRules
  readonly #surroundings: Surroundings
  readonly #limit: AdaptiveLimit
  readonly #requests: Rate | undefined
  readonly #tokens: Rate | undefined
  readonly #hold: Hold
  readonly #outage: Outage
  readonly #patience: Patience
  readonly #queue: Queue<Pass | 'stalled'> = new Queue(() => this.#admitWaiting())
  #timer: Timer | undefined
  /** Passes are numbered in the order in which they were given out. */
  #next = 0
  /** Passes before this number belong to a refusal that has been heard: what comes of them is no news. */
  #congestedBefore = 0
  /** Refusals heard since the last answer. */
  #barren = 0
  #latencyMs: number | undefined
  #shownHeld = false
  inFlight = 0
  lastTrouble: string | undefined

  constructor(rules: GateRules, surroundings: Surroundings) {
    const { random } = surroundings
    const nowMs = surroundings.clock.monotonicMs()
    this.#rules = rules
    this.#surroundings = surroundings
    this.#limit = new AdaptiveLimit(rules.concurrency, rules.adaptive)
    this.#requests = rules.requestsPerMinute === undefined ? undefined : new Rate(rules.requestsPerMinute, nowMs)
    this.#tokens = rules.tokensPerMinute === undefined ? undefined : new Rate(rules.tokensPerMinute, nowMs)
    this.#hold = new Hold(random)
    this.#outage = new Outage(random)
    this.#patience = new Patience(rules.giveUpMs, rules.firstAnswerMs)
  }

  get limit(): number {
    return this.#limit.limit
  }

  get spell(): BadSpell {
    return this.#outage.spell
  }

  heldMs(): number {
    const nowMs = this.#nowMs()
    return Math.max(this.#hold.heldMs(nowMs), this.#outage.delayMs(nowMs))
  }

  patienceMs(): number {
    const nowMs = this.#nowMs()
    return this.#patience.latestMs(nowMs) - nowMs
  }

  enter(signal: AbortSignal, tokens: number, tries = 0): Promise<Pass | 'stalled' | undefined> {
    if (signal.aborted) return Promise.resolve(undefined)
    if (this.#patience.stalled) return Promise.resolve('stalled')
    if (this.#queue.size === 0 && this.#delayMs(tokens) === 0) return Promise.resolve(this.#admit(tokens))
    const turn = this.#queue.wait(signal, tokens, tries)
    if (this.#queue.size === 1 || tries > 0) this.#admitWaiting()
    return turn
  }

  /** Lets in whoever may enter now, and sets the clock for the next; nobody waits: no timer is left. */
  #admitWaiting(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (let waiter = this.#first(); waiter !== undefined; waiter = this.#first()) {
      if (this.#patience.stalled) {
        waiter.settle('stalled')
        continue
      }
      const delayMs = this.#delayMs(waiter.tokens)
      if (delayMs === 0) waiter.settle(this.#admit(waiter.tokens))
      else {
        if (delayMs !== Number.POSITIVE_INFINITY) this.#wake(delayMs)
        return
      }
    }
  }

  #first(): Waiter<Pass | 'stalled'> | undefined {
    const probes = this.inFlight < this.limit && this.#outage.isDue(this.#nowMs())
    return probes ? this.#queue.probe : this.#queue.first
  }

  #wake(delayMs: number): void {
    // Timers count in whole milliseconds; one that comes early would only wait again.
    const wholeMs = Math.min(mostTimerMs, Math.ceil(delayMs))
    this.#timer = this.#surroundings.timers.after(wholeMs, () => this.#admitWaiting())
  }

  #delayMs(tokens: number): number {
    if (this.inFlight >= this.#limit.limit) return Number.POSITIVE_INFINITY
    const nowMs = this.#nowMs()
    return Math.max(
      this.#hold.delayMs(nowMs),
      this.#outage.delayMs(nowMs),
      this.#requests?.delayMs(1, nowMs) ?? 0,
      this.#tokens?.delayMs(tokens, nowMs) ?? 0,
    )
  }

  #admit(tokens: number): Pass {
    const nowMs = this.#nowMs()
    const sent: Sent = { number: this.#next++, tokens, sentMs: nowMs }
    this.inFlight++
    this.#requests?.take(1, nowMs)
    this.#tokens?.take(tokens, nowMs)
    this.#hold.entered(nowMs)
    this.#outage.entered(nowMs)
    let left = false
    return {
      leave: outcome => {
        if (left) return
        left = true
        this.#leave(sent, outcome)
      },
    }
  }

  #leave(sent: Sent, outcome: GateOutcome): void {
    const nowMs = this.#nowMs()
    const limit = this.limit
    const wasBusy = this.inFlight * 2 >= limit
    this.inFlight--
    this.#patience.heard(outcome.kind, sent.number, this.#next, this.inFlight, nowMs)
    if ('trouble' in outcome) this.lastTrouble = outcome.trouble
    switch (outcome.kind) {
      case 'answered':
        this.#answered(sent, outcome.tokens, wasBusy, nowMs)
        break
      case 'throttled':
        this.#throttled(sent, outcome.retryAfterMs, nowMs)
        break
      case 'unreachable':
        this.#tokens?.giveBack(sent.tokens, nowMs)
        this.#outage.unreachable(this.#failure(sent, nowMs))
        break
      case 'failed':
        this.#outage.failed(this.#failure(sent, nowMs), outcome.isNew === true, limit)
        break
      case 'unused':
        this.#tokens?.giveBack(sent.tokens, nowMs)
        this.#requests?.giveBack(1, nowMs)
        break
    }
    if (this.#queue.size > 0) this.#admitWaiting()
    this.#tell(limit)
  }

  #failure({ number }: Sent, nowMs: number): Failure {
    return { number, nextNumber: this.#next, nowMs, latestMs: this.#patience.latestMs(nowMs) }
  }

  #answered(sent: Sent, tokens: number | undefined, wasBusy: boolean, nowMs: number): void {
    const latencyMs = nowMs - sent.sentMs
    if (tokens !== undefined) this.#tokens?.giveBack(sent.tokens - tokens, nowMs)
    this.#latencyMs = this.#latencyMs === undefined ? latencyMs : this.#latencyMs * 0.9 + latencyMs * 0.1
    this.#barren = 0
    this.#somebodyIsThere(nowMs)
    // A limit that is not made use of says nothing of whether it is right.
    if (!wasBusy || sent.number < this.#congestedBefore) return
    if (this.#limit.answered(latencyMs, nowMs)) this.#congestedBefore = this.#next
  }

  #throttled(sent: Sent, retryAfterMs: number | undefined, nowMs: number): void {
    this.#somebodyIsThere(nowMs)
    let holdMs = retryAfterMs ?? 0
    if (sent.number >= this.#congestedBefore) {
      this.#congestedBefore = this.#next
      this.#limit.throttled()
      const barrenMs = this.#barrenMs()
      // Who says how long to wait is taken at his word; 0 says nothing.
      holdMs = retryAfterMs || barrenMs
    }
    holdMs = Math.min(holdMs, this.#patience.latestMs(nowMs) - nowMs)
    this.#hold.shut(holdMs, this.limit, this.#latencyMs, nowMs)
  }

  /** One refusal among answers asks for fewer, not for a pause; one after the other asks for it. */
  #barrenMs(): number {
    if (this.#barren++ === 0) return 0
    const mostMs = Math.min(lastBarrenMs, firstBarrenMs * 2 ** (this.#barren - 1))
    return mostMs * (0.5 + this.#surroundings.random.unit() / 2)
  }

  #somebodyIsThere(nowMs: number): void {
    const goneMs = this.#outage.end(nowMs)
    if (goneMs > 0) this.#hold.openGently(goneMs, this.limit, this.#latencyMs, nowMs)
  }

  #tell(limitBefore: number): void {
    const held = this.heldMs() > 0
    if (held === this.#shownHeld && !held && limitBefore === this.limit) return
    this.#shownHeld = held
    this.#rules.onChange?.(this)
  }

  #nowMs(): number {
    return this.#surroundings.clock.monotonicMs()
  }
}
