import type { Surroundings } from '../engine/clock.ts'

/** What a try had to say once it was over: all that the gate ever learns of the other side. */
export type GateOutcome =
  /** Any complete answer that is not a throttle, 4xx included. */
  | { readonly kind: 'answered'; readonly tokens?: number | undefined }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number | undefined; readonly trouble: string }
  /** Nothing was sent: nobody was there to take it. */
  | { readonly kind: 'unreachable'; readonly trouble: string }
  /** Cut, timeout, 5xx: says nothing of the limit, but is no sign of life either. */
  | { readonly kind: 'failed'; readonly trouble: string }

/** The right to send once. */
export interface Pass {
  /** Gives the slot back; a second time does nothing. */
  leave(outcome: GateOutcome): void
}

/** The door that every try of a batch goes through: how many may be under way, and when the next may begin. */
export interface Gate {
  /**
   * Waits for a turn, in the order of asking.
   *
   * @returns undefined when the signal fired, or `stalled` once nothing answers for too long
   */
  enter(signal: AbortSignal, tokens: number): Promise<Pass | 'stalled' | undefined>
  /** The most that may be under way now. */
  readonly limit: number
  readonly inFlight: number
  /** How much longer nobody may enter; 0: not held. */
  heldMs(): number
  /** The last thing that went wrong, for the message of a stall. */
  readonly lastTrouble: string | undefined
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

interface Waiter {
  readonly signal: AbortSignal
  readonly admit: (pass: Pass | undefined) => void
}

export function openGate(rules: GateRules, _surroundings: Surroundings): Gate {
  return new SlotGate(rules)
}

class SlotGate implements Gate {
  readonly limit: number
  inFlight = 0
  lastTrouble: string | undefined
  readonly #waiting: Set<Waiter> = new Set()

  constructor(rules: GateRules) {
    this.limit = rules.concurrency
  }

  enter(signal: AbortSignal, _tokens: number): Promise<Pass | undefined> {
    if (signal.aborted) return Promise.resolve(undefined)
    if (this.inFlight < this.limit) return Promise.resolve(this.#pass())
    return new Promise(resolve => {
      const waiter: Waiter = {
        signal,
        admit: pass => {
          this.#waiting.delete(waiter)
          signal.removeEventListener('abort', leave)
          resolve(pass)
        },
      }
      const leave = (): void => waiter.admit(undefined)
      signal.addEventListener('abort', leave)
      this.#waiting.add(waiter)
    })
  }

  heldMs(): number {
    return 0
  }

  #pass(): Pass {
    this.inFlight++
    let left = false
    return {
      leave: outcome => {
        if (left) return
        left = true
        this.inFlight--
        if (outcome.kind !== 'answered') this.lastTrouble = outcome.trouble
        const [next] = this.#waiting
        next?.admit(this.#pass())
      },
    }
  }
}
