/** Somebody who waits for a turn. */
export interface Waiter<Result> {
  readonly tokens: number
  /** How often it was sent before. */
  readonly tries: number
  settle(result: Result | undefined): void
}

/**
 * Who waits, in the order of coming; but those that come again take turns with the new ones. So nothing that is refused
 * once or twice waits for all that is new to be refused, too, and nothing that is always refused holds up the others.
 * Whose signal fires waits no longer and is told `undefined`.
 */
export class Queue<Result> {
  readonly #again: Set<Waiter<Result>> = new Set()
  readonly #new: Set<Waiter<Result>> = new Set()
  #next: Set<Waiter<Result>> = this.#again
  /** One listener a signal, however many wait under it: Node warns of more than ten. */
  readonly #bySignal: Map<AbortSignal, Set<Waiter<Result>>> = new Map()
  readonly #onLeave: () => void

  /** @param onLeave called after somebody has left because of a signal */
  constructor(onLeave: () => void) {
    this.#onLeave = onLeave
  }

  get size(): number {
    return this.#again.size + this.#new.size
  }

  /** Whose turn it is; undefined: nobody waits. */
  get first(): Waiter<Result> | undefined {
    const other = this.#next === this.#again ? this.#new : this.#again
    for (const waiter of this.#next.size > 0 ? this.#next : other) return waiter
    return undefined
  }

  /** Who tries for all others, in the same turns, but by the one that was sent most often: its next may be answered. */
  get probe(): Waiter<Result> | undefined {
    const { first } = this
    if (first === undefined || first.tries === 0) return first
    return [...this.#again].reduce((most, other) => (other.tries > most.tries ? other : most))
  }

  /**
   * @param signal one that has not fired
   * @param tries how often it had its turn before
   */
  wait(signal: AbortSignal, tokens: number, tries = 0): Promise<Result | undefined> {
    const again = tries > 0
    const waiting = again ? this.#again : this.#new
    return new Promise(resolve => {
      const waiter: Waiter<Result> = {
        tokens,
        tries,
        settle: result => {
          waiting.delete(waiter)
          this.#next = again ? this.#new : this.#again
          this.#forget(waiter, signal)
          resolve(result)
        },
      }
      waiting.add(waiter)
      this.#under(signal).add(waiter)
    })
  }

  readonly #fired = (event: Event): void => {
    for (const waiter of this.#bySignal.get(event.target as AbortSignal) ?? []) waiter.settle(undefined)
    this.#onLeave()
  }

  #under(signal: AbortSignal): Set<Waiter<Result>> {
    let waiters = this.#bySignal.get(signal)
    if (waiters === undefined) {
      waiters = new Set()
      this.#bySignal.set(signal, waiters)
      signal.addEventListener('abort', this.#fired)
    }
    return waiters
  }

  #forget(waiter: Waiter<Result>, signal: AbortSignal): void {
    const waiters = this.#bySignal.get(signal)
    waiters?.delete(waiter)
    if (waiters?.size !== 0) return
    this.#bySignal.delete(signal)
    signal.removeEventListener('abort', this.#fired)
  }
}
