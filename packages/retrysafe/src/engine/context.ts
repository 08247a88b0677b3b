import { AsyncLocalStorage } from 'node:async_hooks'

/** What a handler, or a function, may know of the call that it serves. */
export interface IdempotencyContext {
  /** The idempotency key; `undefined` for a request without one. */
  readonly key: string | undefined
  /**
   * Fires when the run must stop: an operator cancelled it, its record is somebody else's, or its client has left and
   * `onDisconnect` is `cancel`. Give it to what the handler calls.
   */
  readonly signal: AbortSignal
  /** Which run of this key it is, from 1; more than 1 after one that died. */
  readonly attempt: number
  /** Whether a retry would get this answer: false for a request without a key. */
  readonly replayable: boolean
  /**
   * A key for something that the handler calls itself, such as `derive('charge')`: the same at every run of this key,
   * another for each name, and of use to nobody who does not have the store's secret. 43 characters.
   *
   * @throws {RetrysafeError} `KEY_MISSING` for a request without a key
   */
  derive(name: string): string
}

/** Makes the keys of `derive`, from what only the processes that share a store know. */
export function deriveKey(secret: { digest(text: string): string }, storeKey: string, name: string): string {
  return secret.digest(`derived ${storeKey}${name.length}:${name}`)
}

const place = Symbol.for('retrysafe.running')
// One for all copies of this package in a process; and a client, which also lives where there is no node:async_hooks,
// looks for it here.
// biome-ignore lint/style/noRestrictedGlobals: nothing else is common to two copies of a module.
const shared = globalThis as { [place]?: AsyncLocalStorage<IdempotencyContext> }
shared[place] ??= new AsyncLocalStorage()
const running = shared[place]

/**
 * What the function made with `idempotent` that runs here may know of its call, wherever in it this is asked.
 * `undefined` outside of one.
 *
 * @example
 * await charge(order, { idempotencyKey: callContext()?.derive('charge') })
 */
export function callContext(): IdempotencyContext | undefined {
  return running.getStore()
}

/** Runs something as the call of this context. */
export function runAs<Value>(context: IdempotencyContext, run: () => Value): Value {
  return running.run(context, run)
}
