import { within } from './engine/clock.ts'
import { type Engine, openEngine } from './engine/engine.ts'
import { RetrysafeError } from './engine/errors.ts'
import type { CallEvent, CallListener } from './engine/events.ts'
import { type IdempotentFunction, makeIdempotent } from './engine/function.ts'
import type { AnyFunction, FunctionOptions } from './engine/function-options.ts'
import { type PolicyOptions, readPolicy, whole } from './engine/policy.ts'
import { holdSafe, type Safe, type SafeHolder } from './engine/safe.ts'
import type { Store } from './engine/store.ts'
import { processSurroundings } from './engine/surroundings.ts'
import { describeThrown } from './engine/thrown.ts'
import { openStore, readStoreKind } from './stores/open.ts'
import { openTelemetryWith } from './telemetry.ts'

/** What `createRetrysafe` takes; the policy holds for all that is made of it, unless that says otherwise. */
export interface RetrysafeOptions extends PolicyOptions {
  /** A store, or its URL: `lmdb:./data`, `redis://…`, `postgres://…`, `memory:`. */
  readonly store: Store | string
  /** Keys the HMACs of tenants and fingerprints: at least 16 bytes. Default: made once, and kept in the store. */
  readonly scopeSecret?: string | Uint8Array
  /** Calls that wait for one key at once, in this process: 0 to 100_000. Default 1_000. */
  readonly maxWaiters?: number
  /** Bytes of an outcome's body that are kept: 0 to 1 GiB. Default 67_108_864 (64 MiB). */
  readonly maxResultBytes?: number
  /**
   * Where `store` is the URL of an LMDB store: bytes of its file that may count as this process's memory, as `lmdbStore`
   * has it: 1_048_576 to 2^40. Default: all that the system leaves there.
   */
  readonly maxMappedBytes?: number
  /** Hears what becomes of every call. */
  readonly onEvent?: CallListener
  /**
   * Counts calls and traces runs with `@opentelemetry/api`, an optional peer. Register your SDK before the first call.
   * Default false.
   */
  readonly openTelemetry?: boolean
}

/** One key, one outcome, over one store. */
export interface Retrysafe extends SafeHolder {
  /**
   * Makes a function safe to retry: of all calls with one key, in all processes on this store, one runs, and all get its
   * result. What it gives survives exactly, if structured clone carries it; an async iterable is recorded as it comes. A
   * throw is not recorded: it reaches its caller, and the next call runs again.
   *
   * Its calls reject with a `RetrysafeError` where they are refused: `KEY_REUSED` (the key came with other arguments),
   * `IN_FLIGHT` (the wait is over), `OUTCOME_UNKNOWN`, `RESULT_NOT_KEPT`, `RESULT_NOT_SERIALIZABLE`, `STORE_UNAVAILABLE`.
   *
   * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option
   * @example
   * const summarize = safe.idempotent(async (doc: Doc) => callModel(doc), { name: 'summarize', key: doc => doc.id })
   * await summarize(doc)
   */
  idempotent<Fn extends AnyFunction>(fn: Fn, options: FunctionOptions<Fn>): IdempotentFunction<Fn>
  /**
   * Begins nothing any more, waits until what runs is recorded, and closes the store. What still runs after `drainMs`
   * (0 to 3_600_000, default 10_000) others may take over at once.
   */
  close(options?: { drainMs?: number }): Promise<void>
}

/**
 * Makes calls safe to retry over one store. Nothing is opened before the first call.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option; `PEER_MISSING`
 * @example
 * const safe = createRetrysafe({ store: 'memory:', retentionMs: 3_600_000 })
 * await safe.close()
 */
export function createRetrysafe(options: RetrysafeOptions): Retrysafe {
  const policy = readPolicy(options)
  const open = readEngineOptions(options)
  const telemetry = options.openTelemetry === true ? openTelemetryWith() : undefined
  const { timers } = processSurroundings
  let engine: Promise<Engine> | undefined
  let isClosed = false

  const safe: Safe = {
    engine() {
      if (isClosed) return Promise.reject(new RetrysafeError('DRAINING', 'this Retrysafe was closed: make a new one'))
      engine ??= open().catch(error => {
        engine = undefined
        throw error
      })
      return engine
    },
    policy,
    givenPolicy: options,
    surroundings: processSurroundings,
    tell(event: CallEvent) {
      telemetry?.tell(event)
      try {
        options.onEvent?.(event)
      } catch (error) {
        safe.warnOnce('onEvent', `onEvent failed: ${describeThrown(error)}`)
      }
    },
    ...(telemetry !== undefined && { watchRun: telemetry.watchRun }),
    // Only who keeps the answers of calls pays for the rooms of a server.
    guardCalls: async terms => (await import('./server/guard.ts')).guardCalls(safe, terms),
    warnOnce: makeWarner(),
  }

  async function close({ drainMs = 10_000 }: { drainMs?: number } = {}): Promise<void> {
    whole('drainMs', drainMs, 0, 3_600_000)
    if (isClosed) return
    isClosed = true
    const opened = await engine?.catch(() => undefined)
    if (opened === undefined) return
    await within(opened.idle(), timers, drainMs)
    await opened.giveUp()
    await opened.close()
  }

  function idempotent<Fn extends AnyFunction>(fn: Fn, options: FunctionOptions<Fn>): IdempotentFunction<Fn> {
    return makeIdempotent(safe, fn, options)
  }

  return holdSafe({ idempotent, close }, safe)
}

/** So many topics are told. A topic may hold an error's text, and every error may have another. */
const maxTopics = 1_000
/** Those that begin alike are one. */
const maxTopicLength = 200

function makeWarner(): Safe['warnOnce'] {
  const warned = new Set<string>()
  return (topic, message) => {
    const told = topic.slice(0, maxTopicLength)
    if (warned.has(told) || warned.size > maxTopics) return
    warned.add(told)
    const isLast = warned.size > maxTopics
    process.emitWarning(isLast ? `${maxTopics} warnings were given; no more are` : message, 'RetrysafeWarning')
  }
}

function readEngineOptions(options: RetrysafeOptions): () => Promise<Engine> {
  const { store, scopeSecret, maxMappedBytes } = options
  if (typeof store === 'string') readStoreKind(store)
  else if (typeof store?.claim !== 'function')
    throw new RetrysafeError('CONFIG_INVALID', 'createRetrysafe({ store }): store takes a store, or the URL of one')
  const rest = {
    maxWaiters: whole('maxWaiters', options.maxWaiters ?? 1_000, 0, 100_000),
    maxResultBytes: whole('maxResultBytes', options.maxResultBytes ?? 67_108_864, 0, 1_073_741_824),
    ...(scopeSecret !== undefined && { scopeSecret: Buffer.from(scopeSecret as Uint8Array) }),
  }
  const mapped =
    maxMappedBytes === undefined ? {} : { maxMappedBytes: whole('maxMappedBytes', maxMappedBytes, 1_048_576, 2 ** 40) }
  return async () => openEngine({ store: typeof store === 'string' ? await openStore(store, mapped) : store, ...rest })
}
