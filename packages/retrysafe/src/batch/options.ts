import type { Surroundings } from '../engine/clock.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { type CallPolicy, type PolicyOptions, policyDefaults, readPolicy, whole } from '../engine/policy.ts'
import { type Safe, type SafeHolder, safeIn } from '../engine/safe.ts'

/** How a batch runs. Times are in milliseconds. */
export interface BatchOptions<Item, Value> extends PolicyOptions {
  /** Names the batch, 1 to 1_000 characters: the same when it is run again, another for what is to be paid anew. */
  readonly batchId: string
  /** What `createRetrysafe` gave: where the outcomes of items are kept. */
  readonly safe: SafeHolder
  /** Sends one item. What it throws says whether it is tried again; its SDK is to make no retries of its own. */
  readonly send: (item: Item, context: BatchContext) => Value | Promise<Value>
  /** Most sends at once: 1 to 10_000. Default 16. */
  readonly concurrency?: number
  /** Whether fewer are sent at once where the other side is overloaded. Default true. */
  readonly adaptive?: boolean
  /** Which result comes first: the one that is there first, or the one whose item did. Default `completion`. */
  readonly order?: 'completion' | 'input'
  /** Further tries of an item that went wrong, 0 to 100; those it was not to blame for do not count. Default 4. */
  readonly retries?: number
  /**
   * Of these, tries of an item that was sent and got no answer, at a host that is not known to honour keys: it may have
   * been paid for. 0 to `retries`. Default 1; 0 where `onCrash` is `fail`.
   */
  readonly ambiguousRetries?: number
  /** Whether the other side honours keys, so that what is sent again is not paid again. Default false. */
  readonly honoursKeys?: boolean | (() => boolean)
  /** Sends in any minute, 1 to 10_000_000. Default: without a bound. */
  readonly requestsPerMinute?: number
  /** Tokens in any minute, 1 to 10_000_000_000; needs `tokens`. Default: without a bound. */
  readonly tokensPerMinute?: number
  /** What an item is likely to use, and what its answer says it used. */
  readonly tokens?: { estimate(item: Item): number; used(value: Value): number | undefined }
  /** How long nothing may answer before the batch ends: 1_000 to 86_400_000. Default 600_000. */
  readonly giveUpMs?: number
  /** What its sender calls the item, if anything. Default: its `customId`, else its `custom_id`, where that is a string. */
  readonly customId?: (item: Item) => string | undefined
  /**
   * What of the item counts: with another of these it is another item. A string of 64 hexadecimal digits is taken for the
   * SHA-256 itself. Default: all of it but its custom id.
   */
  readonly fingerprint?: (item: Item) => unknown
  /** Bytes of the item, so that few large ones are held at once. Default 0. */
  readonly sizeOf?: (item: Item) => number
  /** When it fires nothing new begins; what is sent is finished and recorded, and then the results end. */
  readonly signal?: AbortSignal
  /** Hears what happens meanwhile. What it throws is a warning, and changes nothing. */
  readonly onEvent?: (event: BatchEvent) => void
  /** Full jitter draws from this before a retry, doubled at every one: 0 to 3_600_000. Default 500. */
  readonly baseDelayMs?: number
  /** The longest wait before a retry of one item: 0 to 3_600_000. Default 60_000. */
  readonly maxDelayMs?: number
  /** Runs of one item that may have died with nobody knowing whether it had its effect, 1 to 100. Default 10. */
  readonly maxAttempts?: number
}

/** What `send` may know of the call that it makes. */
export interface BatchContext {
  /** The same at every try, in every run of the batch: give it to the other side. */
  readonly idempotencyKey: string
  /** Fires when the try must stop: another process has the item now, or an operator cancelled it. */
  readonly signal: AbortSignal
  /** Which try of the item it is, from 1, in this run of the batch. */
  readonly attempt: number
  readonly customId: string | undefined
  /** Which item it is, from 0. */
  readonly index: number
}

interface ResultFacts<Item> {
  /** Which item it is, from 0. */
  readonly index: number
  readonly item: Item
  readonly customId: string | undefined
  readonly key: string
  /** Sends of it in this run. */
  readonly tries: number
}

/** What became of one item. */
export type BatchResult<Item, Value> =
  | (ResultFacts<Item> & {
      readonly kind: 'done'
      readonly value: Value
      /** It was recorded before, or somebody else ran it: this run did not pay for it. */
      readonly replayed: boolean
    })
  /** Nothing is recorded of it: the next run tries it again. */
  | (ResultFacts<Item> & { readonly kind: 'failed'; readonly error: unknown })

/** What happens while a batch runs. */
export type BatchEvent =
  | {
      readonly kind: 'try failed'
      readonly key: string
      readonly customId: string | undefined
      readonly tries: number
      readonly error: unknown
      readonly next: 'retry' | 'fail'
      /** Until the next try, where there is one; what the whole batch waits for comes on top. */
      readonly delayMs: number
    }
  /** Another number of sends may be made at once, or all wait. */
  | {
      readonly kind: 'gate'
      readonly limit: number
      readonly inFlight: number
      readonly heldMs: number
      /** The last thing that went wrong. */
      readonly trouble: string | undefined
    }
  /** Items that cannot be taken for over a second now: another run has them, or had when it died. */
  | {
      readonly kind: 'waiting'
      readonly count: number
      /** What the store says, where it is the store that is waited for. */
      readonly trouble: string | undefined
    }

/** The same options, read once. */
export interface BatchRules<Item, Value> {
  readonly batchId: string
  readonly safe: Safe
  readonly surroundings: Surroundings
  readonly policy: CallPolicy
  readonly send: BatchOptions<Item, Value>['send']
  readonly concurrency: number
  readonly adaptive: boolean
  readonly order: 'completion' | 'input'
  readonly retries: number
  readonly ambiguousRetries: number
  readonly honoursKeys: () => boolean
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  readonly tokens: BatchOptions<Item, Value>['tokens']
  readonly giveUpMs: number
  readonly customId: BatchOptions<Item, Value>['customId']
  readonly fingerprint: BatchOptions<Item, Value>['fingerprint']
  readonly sizeOf: BatchOptions<Item, Value>['sizeOf']
  readonly signal: AbortSignal | undefined
  readonly onEvent: BatchOptions<Item, Value>['onEvent']
  readonly baseDelayMs: number
  readonly maxDelayMs: number
}

/** Most sends at once, where nobody says anything. */
export const defaultConcurrency = 16

const known = new Set([
  ...['batchId', 'safe', 'send', 'concurrency', 'adaptive', 'order', 'retries', 'ambiguousRetries', 'honoursKeys'],
  ...['requestsPerMinute', 'tokensPerMinute', 'tokens', 'giveUpMs', 'customId', 'fingerprint', 'sizeOf', 'signal'],
  ...['onEvent', 'baseDelayMs', 'maxDelayMs', 'retentionMs', 'leaseMs', 'onCrash', 'maxAttempts'],
])

/** A batch begins the same items at every restart: a crash is no sign that one of them is to blame. */
const batchDefaults: CallPolicy = { ...policyDefaults, maxAttempts: 10 }

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the option */
export function readBatchRules<Item, Value>(given: BatchOptions<Item, Value>): BatchRules<Item, Value> {
  const stranger = Object.keys(given ?? {}).find(name => !known.has(name))
  if (stranger !== undefined) throw invalid(`runBatch() does not know the option ${stranger}`)
  const safe = safeIn(given?.safe)
  if (safe === undefined) throw invalid('runBatch(items, { safe }): safe takes what createRetrysafe() gave')
  refuseWrongKinds(given)
  const policy = readPolicy(given, readPolicy(safe.givenPolicy, batchDefaults))
  const retries = whole('retries', given.retries ?? 4, 0, 100)
  const honoursKeys = given.honoursKeys ?? false
  const rules: BatchRules<Item, Value> = {
    batchId: given.batchId,
    safe,
    surroundings: safe.surroundings,
    policy,
    send: given.send,
    concurrency: whole('concurrency', given.concurrency ?? defaultConcurrency, 1, 10_000),
    adaptive: given.adaptive ?? true,
    order: given.order ?? 'completion',
    retries,
    ambiguousRetries: readAmbiguousRetries(given, policy, retries),
    honoursKeys: typeof honoursKeys === 'boolean' ? () => honoursKeys : honoursKeys,
    requestsPerMinute: rate('requestsPerMinute', given.requestsPerMinute, 10_000_000),
    tokensPerMinute: rate('tokensPerMinute', given.tokensPerMinute, 10_000_000_000),
    tokens: given.tokens,
    giveUpMs: whole('giveUpMs', given.giveUpMs ?? 600_000, 1_000, 86_400_000),
    customId: given.customId,
    fingerprint: given.fingerprint,
    sizeOf: given.sizeOf,
    signal: given.signal,
    onEvent: given.onEvent,
    baseDelayMs: whole('baseDelayMs', given.baseDelayMs ?? 500, 0, 3_600_000),
    maxDelayMs: whole('maxDelayMs', given.maxDelayMs ?? 60_000, 0, 3_600_000),
  }
  // A default gives way by itself.
  if (given.baseDelayMs !== undefined && rules.baseDelayMs > rules.maxDelayMs)
    throw invalid(`baseDelayMs (${rules.baseDelayMs}) is more than maxDelayMs (${rules.maxDelayMs})`)
  if (rules.tokensPerMinute !== undefined && rules.tokens === undefined)
    throw invalid('tokensPerMinute says something only with tokens: { estimate, used }')
  return rules
}

function refuseWrongKinds<Item, Value>(given: BatchOptions<Item, Value>): void {
  const { batchId, send, order, adaptive, honoursKeys, tokens, signal } = given
  if (typeof batchId !== 'string' || batchId === '' || batchId.length > 1_000 || /\p{Surrogate}/u.test(batchId))
    throw invalid('runBatch(items, { batchId }): batchId is required, 1 to 1_000 characters of well-formed Unicode')
  if (typeof send !== 'function') throw invalid('runBatch(items, { send }): send is required, a function of the item')
  for (const name of ['customId', 'fingerprint', 'sizeOf', 'onEvent'] as const) {
    if (given[name] !== undefined && typeof given[name] !== 'function') throw invalid(`${name} takes a function`)
  }
  if (order !== undefined && order !== 'completion' && order !== 'input')
    throw invalid(`order takes 'completion' or 'input', not ${JSON.stringify(order)}`)
  if (adaptive !== undefined && typeof adaptive !== 'boolean') throw invalid('adaptive takes true or false')
  if (honoursKeys !== undefined && typeof honoursKeys !== 'boolean' && typeof honoursKeys !== 'function')
    throw invalid('honoursKeys takes true or false, or a function that says so')
  if (tokens !== undefined && (typeof tokens?.estimate !== 'function' || typeof tokens.used !== 'function'))
    throw invalid('tokens takes { estimate, used }, two functions')
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal takes an AbortSignal')
}

function readAmbiguousRetries(
  given: Pick<BatchOptions<never, never>, 'ambiguousRetries'>,
  policy: CallPolicy,
  retries: number,
): number {
  const byDefault = policy.onCrash === 'fail' ? 0 : Math.min(1, retries)
  const count = whole('ambiguousRetries', given.ambiguousRetries ?? byDefault, 0, 100)
  if (count > retries) throw invalid(`ambiguousRetries (${count}) is more than retries (${retries})`)
  if (count > 0 && policy.onCrash === 'fail')
    throw invalid("ambiguousRetries takes 0 where onCrash is 'fail': what may have run is not sent again")
  return count
}

function rate(name: string, given: number | undefined, most: number): number | undefined {
  return given === undefined ? undefined : whole(name, given, 1, most)
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
