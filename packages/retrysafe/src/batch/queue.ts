/** Somebody who waits for a turn. */
export interface Waiter<Result> {
  readonly tokens: number
  settle(result: Result | undefined): void
}

/** Who waits, in the order of coming; whose signal fires waits no longer and is told `undefined`. */
export class Queue<Result> {
  readonly #waiting: Set<Waiter<Result>> = new Set()
  /** One listener a signal, however many wait under it: Node warns of more than ten. */
  readonly #bySignal: Map<AbortSignal, Set<Waiter<Result>>> = new Map()
  readonly #onLeave: () => void

  /** @param onLeave called after somebody has left because of a signal */
  constructor(onLeave: () => void) {
    this.#onLeave = onLeave
  }

  get size(): number {
    return this.#waiting.size
  }

  [Symbol.iterator](): Iterator<Waiter<Result>> {
    return this.#waiting.values()
  }

  /** @param signal one that has not fired */
  wait(signal: AbortSignal, tokens: number): Promise<Result | undefined> {
    return new Promise(resolve => {
      const waiter: Waiter<Result> = {
        tokens,
        settle: result => {
          this.#remove(waiter, signal)
          resolve(result)
        },
      }
      this.#waiting.add(waiter)
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

  #remove(waiter: Waiter<Result>, signal: AbortSignal): void {
    this.#waiting.delete(waiter)
    const waiters = this.#bySignal.get(signal)
    waiters?.delete(waiter)
    if (waiters?.size !== 0) return
    this.#bySignal.delete(signal)
    signal.removeEventListener('abort', this.#fired)
  }
}
