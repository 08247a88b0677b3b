import type { Given } from '../engine/callback.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { functionPrefix } from '../engine/function-options.ts'
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
import { compileLeaveOut, type LeaveOut } from '../fingerprint/leave-out.ts'
import { headerNames, isToken } from '../protocol/headers.ts'
import { mayCarryKey } from './header-names.ts'
import type { StatusRange } from './status-range.ts'

/**
 * How requests are made safe to retry: the same for every framework. `Request` is what the framework's handlers get.
 *
 * Precedence: what is set here, then what `createRetrysafe` was given.
 */
export interface IdempotencyOptions<Request> extends PolicyOptions {
  readonly safe: SafeHolder
  /**
   * Whose key is it: another tenant's key is another key. A function names the authenticated caller; what it gives is
   * kept only as an HMAC. `credential`: the caller's `Authorization`, `x-api-key`, `api-key`, `x-goog-api-key` or `?key=`
   * itself. `single`: everybody is one tenant.
   */
  readonly tenant: 'credential' | 'single' | ((request: Request) => Given | Promise<Given>)
  /** Names the key, where the header is not what counts. `undefined` or `null`: the request has none. */
  readonly key?: (request: Request) => Given | Promise<Given>
  /** What becomes of a request without a key: handled as if we were not there, or refused (400). Default `pass`. */
  readonly keyless?: 'pass' | 'require'
  /** Headers that carry the key, in order of precedence. Default `Idempotency-Key`. */
  readonly keyHeaders?: readonly string[]
  /** Methods that count; all others pass. Default POST and PATCH. */
  readonly methods?: readonly string[]
  /** Statuses that are recorded, if the answer is whole. Default 200 to 299. */
  readonly recordStatus?: readonly (number | readonly [from: number, to: number])[]
  /** Keys of one name are apart from those of another. 1 to 100 characters, not `function …`. Default `http`. */
  readonly name?: string
  /** How long a duplicate waits for the head of the running answer: ms, 0 to 3_600_000; 0 refuses it. Default 600_000. */
  readonly waitMs?: number
  /** Longest request body with a key: bytes, 0 to 1 GiB. Default 33_554_432 (32 MiB). */
  readonly maxRequestBytes?: number
  /** A handler that says nothing for so long is given up (504): ms, 100 to 86_400_000. Default 600_000. */
  readonly handlerTimeoutMs?: number
  /**
   * When the client of a run has left, and nobody else waits for it or reads along, in any process: the handler goes on
   * (`finish`), or its `signal` fires and the run ends, at once (`cancel`) or if nobody has come back after a time, 24h
   * at most (`grace:30s`). Default `finish`.
   */
  readonly onDisconnect?: OnDisconnect
  /** While the store is out of reach: 503, or handled without protection. Default `closed`. */
  readonly onStoreError?: 'closed' | 'open'
  /**
   * A retry that is older than the retention is refused (412) instead of run again, where its age is known: by
   * `Repeatability-First-Sent`, or by a UUIDv7 as its key. Default false.
   */
  readonly expiryAware?: boolean
  /** JSON pointers to members of JSON bodies that do not make another request, such as `/metadata/trace_id`. */
  readonly leaveOut?: readonly string[]
}

/** The operations of calls that go out (`guardCalls`) begin so: keys of the two are never one. */
export const guardedPrefix = 'call '

/** The same, read once. */
export interface Rules<Request> {
  readonly safe: Safe
  readonly policy: CallPolicy
  readonly tenant: IdempotencyOptions<Request>['tenant']
  readonly key: IdempotencyOptions<Request>['key']
  readonly keyless: 'pass' | 'require'
  /** Lower case. */
  readonly keyHeaders: readonly string[]
  readonly methods: ReadonlySet<string>
  readonly recordStatus: readonly StatusRange[]
  readonly name: string
  readonly waitMs: number
  readonly maxRequestBytes: number
  readonly handlerTimeoutMs: number
  readonly grace: Grace
  readonly onStoreError: 'closed' | 'open'
  readonly expiryAware: boolean
  readonly leaveOut: LeaveOut | undefined
}

const known = new Set([
  'safe',
  'tenant',
  'key',
  'keyless',
  'keyHeaders',
  'methods',
  'recordStatus',
  'name',
  'waitMs',
  'maxRequestBytes',
  'handlerTimeoutMs',
  'onDisconnect',
  'onStoreError',
  'expiryAware',
  'leaveOut',
  'retentionMs',
  'leaseMs',
  'onCrash',
  'maxAttempts',
])

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the option */
export function readRules<Request>(options: IdempotencyOptions<Request>): Rules<Request> {
  const safe = safeIn(options?.safe)
  if (safe === undefined) throw invalid('idempotency({ safe }): safe takes what createRetrysafe() gave')
  const stranger = Object.keys(options).find(name => !known.has(name))
  if (stranger !== undefined) throw invalid(`idempotency() does not know the option ${stranger}`)
  const { tenant, key } = options
  if (tenant !== 'credential' && tenant !== 'single' && typeof tenant !== 'function')
    throw invalid("tenant is required: a function, 'credential', or 'single' if all callers may share their keys")
  if (key !== undefined && typeof key !== 'function') throw invalid('key takes a function of the request')
  const methods = names('methods', options.methods ?? ['POST', 'PATCH']).map(each => each.toUpperCase())
  if (methods.includes('HEAD')) throw invalid('methods: an answer to HEAD has no body to record; leave it out')
  const { name = 'http' } = options
  if (typeof name !== 'string' || name === '' || name.length > 100) throw invalid('name takes 1 to 100 characters')
  const taken = [functionPrefix, guardedPrefix].find(prefix => name.startsWith(prefix))
  if (taken !== undefined) throw invalid(`name: what begins with '${taken}' is taken, choose another`)
  const keyHeaders = names('keyHeaders', options.keyHeaders ?? [headerNames.key]).map(each => each.toLowerCase())
  const wrong = keyHeaders.find(each => !mayCarryKey(each))
  if (wrong !== undefined)
    throw invalid(`keyHeaders: ${wrong} cannot carry a key: it is a credential or has a meaning of its own`)
  return {
    safe,
    policy: readPolicy(options, safe.policy),
    tenant,
    key,
    keyless: oneOf('keyless', options.keyless ?? 'pass', ['pass', 'require']),
    keyHeaders,
    methods: new Set(methods),
    recordStatus: (options.recordStatus ?? [[200, 299]]).map(readRange),
    name,
    waitMs: whole('waitMs', options.waitMs ?? 600_000, 0, 3_600_000),
    maxRequestBytes: whole('maxRequestBytes', options.maxRequestBytes ?? 33_554_432, 0, 1_073_741_824),
    handlerTimeoutMs: whole('handlerTimeoutMs', options.handlerTimeoutMs ?? 600_000, 100, 86_400_000),
    grace: readOnDisconnect(options.onDisconnect ?? 'finish'),
    onStoreError: oneOf('onStoreError', options.onStoreError ?? 'closed', ['closed', 'open']),
    expiryAware: options.expiryAware === true,
    leaveOut: options.leaveOut === undefined ? undefined : readLeaveOut(options.leaveOut),
  }
}

function readRange(range: number | readonly [number, number]): StatusRange {
  const [from, to] = typeof range === 'number' ? [range, range] : range
  const isStatus = (status: unknown): boolean =>
    Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599
  if (!isStatus(from) || !isStatus(to) || from > to)
    throw invalid('recordStatus takes statuses from 200 to 599, or pairs of them: [200, [202, 204]]')
  return { from, to }
}

function readLeaveOut(pointers: readonly string[]): LeaveOut {
  const compiled = compileLeaveOut(pointers)
  if (compiled.kind === 'invalid') throw invalid(`leaveOut: ${compiled.reason}`)
  return compiled.leaveOut
}

function names(option: string, given: readonly string[]): readonly string[] {
  if (Array.isArray(given) && given.length > 0 && given.every(isToken)) return given
  throw invalid(`${option} takes a list of names, at least one`)
}

function oneOf<Word extends string>(option: string, given: Word, words: readonly Word[]): Word {
  if (words.includes(given)) return given
  throw invalid(`${option} takes ${words.map(word => `'${word}'`).join(' or ')}, not ${JSON.stringify(given)}`)
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
