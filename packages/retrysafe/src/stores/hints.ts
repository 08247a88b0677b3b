import type { StoreKey } from '../engine/record.ts'
import type { Subscription } from '../engine/store.ts'

/** Who wants to hear of changes to a record. */
export class Hints {
  readonly #byKey = new Map<StoreKey, Set<() => void>>()

  /** @param end called once the last subscription to the key is closed; not when all end by `close` */
  subscribe(key: StoreKey, hint: () => void, end?: () => void): Subscription {
    const listeners = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, listeners)
    // An own function each time: the same `hint` may subscribe twice.
    const listener = (): void => hint()
    listeners.add(listener)
    return {
      close: () => {
        listeners.delete(listener)
        if (listeners.size > 0 || this.#byKey.get(key) !== listeners) return
        this.#byKey.delete(key)
        end?.()
      },
    }
  }

  isFollowed(key: StoreKey): boolean {
    return this.#byKey.has(key)
  }

  /** Behind the current step, never inside it: a listener may call the store at once. */
  tell(key: StoreKey): void {
    if (this.#byKey.size === 0) return
    for (const listener of [...(this.#byKey.get(key) ?? [])]) queueMicrotask(listener)
  }

  close(): void {
    this.#byKey.clear()
  }
}
