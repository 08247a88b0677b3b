import type { Given } from './callback.ts'
import { RetrysafeError } from './errors.ts'
import { type CallPolicy, type PolicyOptions, readPolicy, whole } from './policy.ts'

/** Before the name of every function, where operations are named: no other sort of call may be called so. */
export const functionPrefix = 'function '

/** Any function: nothing is said of what it takes, so every function is one. */
export type AnyFunction = (this: never, ...args: never) => unknown

/** A function when it is called: by then its types have done their work. */
export type UnknownFunction = (this: unknown, ...args: unknown[]) => unknown

/** Of any function: `ThisParameterType` and `Parameters` take only those that take anything. */
export type ArgumentsOf<Fn extends AnyFunction> = Fn extends (this: never, ...args: infer Args) => unknown
  ? Args
  : never

/**
 * How a function is made safe to retry. Every function in here gets what the function itself gets, `this` included.
 *
 * Precedence: what is set here, then what `createRetrysafe` was given.
 */
export interface FunctionOptions<Fn extends AnyFunction> extends PolicyOptions {
  /** Keys of one name are apart from those of another: 1 to 100 characters, the same at every deployment. */
  readonly name: string
  /** Names the call: 1 to 255 characters. Two calls of one key are one call. */
  readonly key: Ask<Fn, Given | Promise<Given>>
  /** Whose key it is; another tenant's key is another key. Kept only as an HMAC. Default: all share their keys. */
  readonly tenant?: Ask<Fn, Given | Promise<Given>>
  /**
   * What of the arguments makes another call: the same key with another of these is `KEY_REUSED`. Default: all of them
   * but AbortSignals.
   */
  readonly fingerprint?: Ask<Fn, unknown>
  /** How long a duplicate waits for the running call: ms, 0 to 3_600_000; 0 refuses it. Default 600_000. */
  readonly waitMs?: number
  /** When it fires, this caller waits no more; the run goes on. */
  readonly signal?: Ask<Fn, AbortSignal | undefined>
}

type Ask<Fn extends AnyFunction, Answer> = (this: ThisParameterType<Fn>, ...args: ArgumentsOf<Fn>) => Answer

/** The same, read once. */
export interface FunctionRules {
  readonly name: string
  readonly policy: CallPolicy
  readonly key: Ask<UnknownFunction, Given | Promise<Given>>
  readonly tenant: Ask<UnknownFunction, Given | Promise<Given>> | undefined
  readonly fingerprint: Ask<UnknownFunction, unknown> | undefined
  readonly waitMs: number
  readonly signal: Ask<UnknownFunction, AbortSignal | undefined> | undefined
}

const known = new Set([
  'name',
  'key',
  'tenant',
  'fingerprint',
  'waitMs',
  'signal',
  'retentionMs',
  'leaseMs',
  'onCrash',
  'maxAttempts',
])

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the option */
export function readFunctionRules(
  fn: UnknownFunction,
  options: FunctionOptions<UnknownFunction>,
  base: CallPolicy,
): FunctionRules {
  if (typeof fn !== 'function') throw invalid(`idempotent(fn, options) takes a function, not ${typeof fn}`)
  const stranger = Object.keys(options ?? {}).find(name => !known.has(name))
  if (stranger !== undefined) throw invalid(`idempotent() does not know the option ${stranger}`)
  const { name, key, tenant, fingerprint, signal } = options ?? {}
  if (typeof name !== 'string' || name === '' || name.length > 100)
    throw invalid('idempotent(fn, { name }): name is required, 1 to 100 characters')
  if (typeof key !== 'function') throw invalid('idempotent(fn, { key }): key is required, a function of the arguments')
  for (const [option, given] of Object.entries({ tenant, fingerprint, signal })) {
    if (given !== undefined && typeof given !== 'function') throw invalid(`${option} takes a function of the arguments`)
  }
  const waitMs = whole('waitMs', options.waitMs ?? 600_000, 0, 3_600_000)
  return { name, policy: readPolicy(options, base), key, tenant, fingerprint, waitMs, signal }
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
