import type { Given } from '../engine/callback.ts'
import type { Surroundings } from '../engine/clock.ts'
import { RetrysafeError } from '../engine/errors.ts'
import {
  type CallPolicy,
  type Grace,
  type OnDisconnect,
  type PolicyOptions,
  readOnDisconnect,
  readPolicy,
  whole,
} from '../engine/policy.ts'
import { type Safe, type SafeHolder, safeIn } from '../engine/safe.ts'
import { processSurroundings } from '../engine/surroundings.ts'
import { headerNames, isToken } from '../protocol/headers.ts'
import { createRetryBudget, type RetryBudget } from './budget.ts'
import type { AttemptListener } from './events.ts'

/** The `fetch` of the platform. */
export type Fetch = typeof globalThis.fetch

/** How calls are retried. Times are in milliseconds. */
export interface FetchOptions extends PolicyOptions {
  /** Attempts after the first, 0 to 100. Default 4. A broken stream may be resumed so often without a byte in between. */
  readonly retries?: number
  /**
   * Names the call: the same key for what must happen once, also in another process. Asked before anything is sent, with
   * a request of its own to read. `undefined` or `null`: one is drawn. A key in the request's header comes first.
   */
  readonly key?: (request: Request) => Given | Promise<Given>
  /** The header that carries the key. Default `Idempotency-Key`. */
  readonly keyHeader?: string
  /** Methods that get a key. Default POST and PATCH. */
  readonly methods?: readonly string[]
  /**
   * Hosts that honour keys, so that a call which was sent and not answered may be sent again without paying twice: `true`
   * for all, or their origins (`https://gateway.example`). A path that answers like a Retrysafe is known
   * from then on. Default: none.
   */
  readonly honoursKeys?: boolean | readonly string[]
  /**
   * Retries of a call that was sent and got no answer, or a proxy's word (502, 504, 520, 524) for that there is none, at a
   * host that is not known to honour keys: it may have run, and may be paid for. 0 to `retries`. Default 1; 0 where
   * `onCrash` is `fail`.
   */
  readonly ambiguousRetries?: number
  /** Largest request body, kept to be sent again: bytes, 0 to 1 GiB. Default 33_554_432 (32 MiB). */
  readonly maxRequestBytes?: number
  /** How long one attempt may take to its answer's head: 1 to 86_400_000. Default 600_000. */
  readonly headTimeoutMs?: number
  /** How long the answer's body may be silent while it is being read: 1 to 86_400_000. Default 300_000. */
  readonly silenceTimeoutMs?: number
  /** How long all attempts and waits may take, to the answer's head: 1 to 86_400_000. Default 900_000. */
  readonly deadlineMs?: number
  /** Full jitter draws from this, doubled at every retry: 0 to 3_600_000. Default 500. */
  readonly baseDelayMs?: number
  /** The longest wait before a retry, whatever `Retry-After` says: 0 to 3_600_000. Default 60_000. */
  readonly maxDelayMs?: number
  /** What retries may be spent from. Default: one for the whole process; `false`: without a bound. */
  readonly budget?: RetryBudget | false
  /** Resumes broken streams where the server can (`Retrysafe-Stream`). Default true. */
  readonly resume?: boolean
  /** Where streams are resumed, relative to the origin of the call. Default `/_retrysafe/streams/`. */
  readonly streamsUrl?: string
  /** What relative URLs are relative to. Default: the page's, in a browser. */
  readonly baseUrl?: string | URL
  /** Hears of every attempt. What it throws changes nothing. */
  readonly onAttempt?: AttemptListener
  /** Hears what the developer should know. Default: a warning of the process, or of the console. */
  readonly onWarning?: (message: string) => void
  /** Sends one request. Default: the platform's `fetch`. */
  readonly fetch?: Fetch
  /**
   * Keeps outcomes here, for APIs that honour no keys: a retry with the same key gets the first answer, also after this
   * process was started anew. `key` is required with it.
   */
  readonly safe?: SafeHolder
  /** With `safe`: whose key it is. Default: that of the request's credentials. */
  readonly tenant?: 'single' | ((request: Request) => Given | Promise<Given>)
  /** With `safe`: keys of one name are apart from those of another. Default `fetch`. */
  readonly name?: string
  /** With `safe`: how long a call waits for the head of one that runs already; 0 to 3_600_000. Default 600_000. */
  readonly waitMs?: number
  /**
   * With `safe`: what becomes of a call that nobody waits for any more: it goes on and is recorded, ends, or ends if
   * nobody has come back after a time (`grace:30s`). Default `finish`.
   */
  readonly onDisconnect?: OnDisconnect
  /** Clock, timers and randomness, for tests. Default: the platform's. */
  readonly surroundings?: Surroundings
}

/** What holds for calls that are kept in a store of one's own. */
export interface LocalRules {
  readonly safe: Safe
  readonly policy: CallPolicy
  readonly tenant: NonNullable<FetchOptions['tenant']> | undefined
  readonly name: string
  readonly waitMs: number
  readonly grace: Grace
}

/** The same options, read once. */
export interface FetchRules {
  readonly retries: number
  readonly key: FetchOptions['key']
  /** Lower case. */
  readonly keyHeader: string
  readonly methods: ReadonlySet<string>
  readonly honoursKeys: boolean
  readonly honouringOrigins: readonly string[]
  readonly ambiguousRetries: number
  readonly maxRequestBytes: number
  readonly headTimeoutMs: number
  readonly silenceTimeoutMs: number
  readonly deadlineMs: number
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly budget: RetryBudget | undefined
  readonly resume: boolean
  readonly streamsUrl: string
  readonly baseUrl: string | undefined
  readonly onAttempt: AttemptListener | undefined
  readonly onWarning: ((message: string) => void) | undefined
  readonly fetch: Fetch
  readonly local: LocalRules | undefined
  readonly surroundings: Surroundings
}

const longestMs = 86_400_000
/** What says something only where outcomes are kept here. */
const localOptions = ['tenant', 'name', 'waitMs', 'onDisconnect', 'retentionMs', 'leaseMs', 'onCrash', 'maxAttempts']
const options = [
  ...['retries', 'key', 'keyHeader', 'methods', 'honoursKeys', 'ambiguousRetries', 'maxRequestBytes', 'headTimeoutMs'],
  ...['silenceTimeoutMs', 'deadlineMs', 'baseDelayMs', 'maxDelayMs', 'budget', 'resume', 'streamsUrl', 'baseUrl'],
  ...['onAttempt', 'onWarning', 'fetch', 'safe', 'surroundings'],
]
const known = new Set([...options, ...localOptions])

/** One for all clients of the process that name none. */
const processBudget = createRetryBudget()

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the option */
export function readFetchRules(given: FetchOptions): FetchRules {
  const stranger = Object.keys(given).find(name => !known.has(name))
  if (stranger !== undefined) throw invalid(`createFetch() does not know the option ${stranger}`)
  for (const name of ['key', 'onAttempt', 'onWarning', 'fetch'] as const) {
    if (given[name] !== undefined && typeof given[name] !== 'function') throw invalid(`${name} takes a function`)
  }
  if (given.resume !== undefined && typeof given.resume !== 'boolean') throw invalid('resume takes true or false')
  if (given.budget !== undefined && given.budget !== false && typeof given.budget?.withdraw !== 'function')
    throw invalid('budget takes what createRetryBudget() gave, or false')
  const retries = whole('retries', given.retries ?? 4, 0, 100)
  const { baseUrl, budget = processBudget, honoursKeys = false } = given
  const local = readLocalRules(given)
  const rules: FetchRules = {
    retries,
    key: given.key,
    keyHeader: tokens('keyHeader', [given.keyHeader ?? headerNames.key])[0] ?? '',
    methods: new Set(tokens('methods', given.methods ?? ['POST', 'PATCH']).map(name => name.toUpperCase())),
    honoursKeys: honoursKeys === true,
    honouringOrigins: typeof honoursKeys === 'boolean' ? [] : origins(honoursKeys),
    ambiguousRetries: whole(
      'ambiguousRetries',
      given.ambiguousRetries ?? (local?.policy.onCrash === 'fail' ? 0 : Math.min(1, retries)),
      0,
      100,
    ),
    maxRequestBytes: whole('maxRequestBytes', given.maxRequestBytes ?? 33_554_432, 0, 1_073_741_824),
    headTimeoutMs: whole('headTimeoutMs', given.headTimeoutMs ?? 600_000, 1, longestMs),
    silenceTimeoutMs: whole('silenceTimeoutMs', given.silenceTimeoutMs ?? 300_000, 1, longestMs),
    deadlineMs: whole('deadlineMs', given.deadlineMs ?? 900_000, 1, longestMs),
    baseDelayMs: whole('baseDelayMs', given.baseDelayMs ?? 500, 0, 3_600_000),
    maxDelayMs: whole('maxDelayMs', given.maxDelayMs ?? 60_000, 0, 3_600_000),
    budget: budget === false ? undefined : budget,
    resume: given.resume ?? true,
    streamsUrl: readStreamsUrl(given.streamsUrl ?? '/_retrysafe/streams/'),
    baseUrl: baseUrl === undefined ? undefined : readUrl('baseUrl', String(baseUrl)).href,
    onAttempt: given.onAttempt,
    onWarning: given.onWarning,
    // Ours may take its place later, and must not call itself.
    fetch: given.fetch ?? globalThis.fetch,
    local,
    surroundings: given.surroundings ?? processSurroundings,
  }
  refuseContradictions(given, rules)
  if (local?.policy.onCrash === 'fail' && rules.ambiguousRetries > 0)
    throw invalid("ambiguousRetries takes 0 where onCrash is 'fail': what may have run is not sent again")
  return rules
}

function readLocalRules(given: FetchOptions): LocalRules | undefined {
  if (given.safe === undefined) {
    const idle = localOptions.find(name => Object.hasOwn(given, name))
    if (idle !== undefined) throw invalid(`${idle} says something only with safe, a store to keep outcomes in`)
    return undefined
  }
  const safe = safeIn(given.safe)
  if (safe === undefined) throw invalid('createFetch({ safe }): safe takes what createRetrysafe() gave')
  const { tenant, name = 'fetch' } = given
  if (given.key === undefined)
    throw invalid('with safe, key is required: a function that gives the same key when the call is made again')
  if (tenant !== undefined && tenant !== 'single' && typeof tenant !== 'function')
    throw invalid("tenant takes a function of the request, or 'single'")
  if (typeof name !== 'string' || name === '' || name.length > 100) throw invalid('name takes 1 to 100 characters')
  const waitMs = whole('waitMs', given.waitMs ?? 600_000, 0, 3_600_000)
  const grace = readOnDisconnect(given.onDisconnect ?? 'finish')
  return { safe, policy: readPolicy(given, safe.policy), tenant, name, waitMs, grace }
}

function refuseContradictions(given: FetchOptions, rules: FetchRules): void {
  const pairs = [
    ['ambiguousRetries', 'retries'],
    ['headTimeoutMs', 'deadlineMs'],
    ['baseDelayMs', 'maxDelayMs'],
  ] as const
  for (const [least, most] of pairs) {
    // A default gives way by itself.
    if (given[least] === undefined || rules[least] <= rules[most]) continue
    throw invalid(`${least} (${rules[least]}) is more than ${most} (${rules[most]})`)
  }
}

function tokens(option: string, names: readonly string[]): readonly string[] {
  if (!Array.isArray(names) || !names.every(isToken)) throw invalid(`${option} takes names as HTTP has them`)
  return names.map(name => name.toLowerCase())
}

/** Relative to whatever a call goes to. */
function readStreamsUrl(url: string): string {
  const read = typeof url === 'string' && URL.canParse(url, 'http://origin') ? new URL(url, 'http://origin') : undefined
  if (read !== undefined && /^https?:$/.test(read.protocol) && read.pathname.endsWith('/')) return url
  throw invalid(`streamsUrl takes a path or an http URL that ends in /, not ${JSON.stringify(url)}`)
}

function origins(urls: readonly string[]): readonly string[] {
  if (!Array.isArray(urls)) throw invalid('honoursKeys takes true, or a list of absolute URLs')
  return urls.map(url => readUrl('honoursKeys', url).origin)
}

function readUrl(option: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw invalid(`${option} takes absolute http or https URLs, not ${JSON.stringify(text)}`)
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
