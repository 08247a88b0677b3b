import { timingSafeEqual } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { Attempt } from './attempt.ts'
import { type Call, type ClaimPort, type Entry, enter } from './claim.ts'
import type { Surroundings } from './clock.ts'
import { RetrysafeError } from './errors.ts'
import { createIdentity, type Identity } from './identity.ts'
import type { HttpHead, KeptHead } from './outcome.ts'
import type { StoreKey } from './record.ts'
import { type ResumeTerms, type Resumption, resume } from './resume.ts'
import type { Store } from './store.ts'
import { processSurroundings } from './surroundings.ts'
import { startSweeping } from './sweeper.ts'
import { Waiters } from './waiters.ts'

export interface EngineOptions {
  readonly store: Store
  /** At least 16 bytes; default: made once and kept in the store. */
  readonly scopeSecret?: Uint8Array
  /** Calls that wait for one key at once, in this process. Default 1_000. */
  readonly maxWaiters?: number
  /** Bytes of an outcome's body that are kept. Default 64 MiB. */
  readonly maxResultBytes?: number
  /** Default: this process's clock, timers and randomness. */
  readonly surroundings?: Surroundings
}

/** One key, one outcome, over one store. */
export interface Engine {
  readonly store: Store
  readonly identity: Identity
  /**
   * Claims, waits, and says how a call goes on. Rejects with the store's errors, and with `DRAINING` after `giveUp`: then
   * nothing has begun.
   */
  enter<Head extends KeptHead = HttpHead>(call: Call): Promise<Entry<Head>>
  /** Goes on with a stream where a reader broke off; nothing is claimed. Rejects as `enter` does. */
  resume(terms: ResumeTerms): Promise<Resumption>
  /** Attempts of this process whose outcome the store does not have yet. */
  readonly running: number
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>
  /** Lets others take over at once what still runs, and begins nothing any more. */
  giveUp(): Promise<void>
  /** Stops timers and closes the store. Call it when idle. */
  close(): Promise<void>
}

/**
 * Opens an engine over a store.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID` when the store was used with another scope secret
 * @example
 * const engine = await openEngine({ store: memoryStore() })
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { store } = options
  const surroundings = options.surroundings ?? processSurroundings
  const identity = await openIdentity(store, options.scopeSecret, surroundings)
  return createEngine(store, identity, surroundings, options)
}

function createEngine(store: Store, identity: Identity, surroundings: Surroundings, options: EngineOptions): Engine {
  const live = new Map<StoreKey, Attempt>()
  const closing = new AbortController()
  // While a store is gone every write that is repeated listens: no leak to warn of.
  setMaxListeners(0, closing.signal)
  const sweeping = startSweeping(store, surroundings)
  let idlers: (() => void)[] = []
  /** Taken over within this process, an older attempt is no longer in the map, but still running. */
  const running = new Set<Attempt>()

  function settled(attempt: Attempt): void {
    running.delete(attempt)
    if (live.get(attempt.key) === attempt) live.delete(attempt.key)
    if (running.size > 0) return
    for (const resolve of idlers) resolve()
    idlers = []
  }

  const port: ClaimPort = {
    store,
    surroundings,
    waiters: new Waiters(options.maxWaiters ?? 1_000),
    live(key, fence) {
      const attempt = live.get(key)
      return attempt?.token.fence === fence ? attempt : undefined
    },
    start(call, acquired, claimedAt) {
      const attempt = new Attempt({
        store,
        surroundings,
        key: call.key,
        token: acquired.token,
        number: acquired.attempt,
        sent: acquired.sent,
        leaseMs: call.leaseMs,
        onCrash: acquired.onCrash,
        claimedAt,
        maxResultBytes: options.maxResultBytes ?? 67_108_864,
        canonical: call.canonical,
        closing: closing.signal,
        settled,
      })
      live.set(call.key, attempt)
      running.add(attempt)
      return attempt
    },
  }

  return {
    store,
    identity,
    enter: call => (closing.signal.aborted ? Promise.reject(goingAway()) : enter(port, call)),
    resume: terms => (closing.signal.aborted ? Promise.reject(goingAway()) : resume(port, terms)),
    get running() {
      return running.size
    },
    idle: () => (running.size === 0 ? Promise.resolve() : new Promise(resolve => idlers.push(resolve))),
    async giveUp() {
      closing.abort()
      await Promise.allSettled([...running].map(attempt => attempt.giveUp()))
    },
    async close() {
      closing.abort()
      sweeping.stop()
      await store.close()
    },
  }
}

function goingAway(): RetrysafeError {
  return new RetrysafeError('DRAINING', 'this process is going away: come again, to another one or later')
}

async function openIdentity(store: Store, given: Uint8Array | undefined, { random }: Surroundings): Promise<Identity> {
  if (given !== undefined && given.byteLength < 16) {
    throw new RetrysafeError('CONFIG_INVALID', `the scope secret has ${given.byteLength} bytes; it takes at least 16`)
  }
  const identity = createIdentity(given ?? (await store.metaInit('scope-secret', random.bytes(32))))
  const check = await store.metaInit('scope-check', identity.check)
  if (check.byteLength === identity.check.byteLength && timingSafeEqual(check, identity.check)) return identity
  throw new RetrysafeError(
    'CONFIG_INVALID',
    'the store was used with another scope secret; give every process that shares it the same --scope-secret',
  )
}
