import { canonicalValue, valueFingerprint } from '../fingerprint/canonical-value.ts'
import { ask, askText, callbackFailed, keyFault } from './callback.ts'
import type { Call } from './claim.ts'
import type { Engine } from './engine.ts'
import { type ErrorCode, RetrysafeError } from './errors.ts'
import { type FunctionRules, functionPrefix, type UnknownFunction } from './function-options.ts'
import { storeKey } from './identity.ts'
import type { Safe } from './safe.ts'

/** A function, and what it is called with. */
export interface Invocation {
  readonly fn: UnknownFunction
  readonly self: unknown
  readonly args: readonly unknown[]
  /** Fires when the caller has left. */
  readonly signal: AbortSignal | undefined
}

/** The engine's call for it. */
export interface FunctionCall {
  readonly engine: Engine
  readonly call: Call & { readonly label: { readonly key: string }; mayRun: boolean }
  readonly tenant: string
}

export function readSignal(rules: FunctionRules, { self, args }: Omit<Invocation, 'signal'>): AbortSignal | undefined {
  try {
    return rules.signal?.apply(self, [...args])
  } catch (cause) {
    throw callbackFailed('signal', cause)
  }
}

/**
 * Key, tenant and fingerprint: whatever is wrong with them, nothing has begun. All are asked before the first `await`:
 * what the caller does to its arguments later does not count.
 */
export async function readCall(
  safe: Safe,
  rules: FunctionRules,
  { self, args, signal }: Invocation,
): Promise<FunctionCall> {
  const { name, policy, waitMs } = rules
  const [key, owner, counted] = await Promise.all([
    askText('key', () => rules.key.apply(self, [...args])),
    askText('tenant', () => (rules.tenant === undefined ? '' : rules.tenant.apply(self, [...args]))),
    readCounted(rules, self, args),
  ])
  if (key === undefined) throw refusal(name, 'KEY_MISSING', 'the key function gave none')
  const fault = keyFault(key)
  if (fault !== undefined) throw refusal(name, 'KEY_INVALID', fault)
  if (owner === undefined || (owner === '' && rules.tenant !== undefined))
    throw refusal(name, 'TENANT_MISSING', 'the tenant function gave none')
  const engine = await safe.engine()
  const { fingerprintKey, tenantNamed } = engine.identity
  const tenant = tenantNamed(owner)
  const raw = valueFingerprint(fingerprintKey, counted)
  const call = {
    leaseMs: policy.leaseMs,
    retentionMs: policy.retentionMs,
    onCrash: policy.onCrash,
    maxAttempts: policy.maxAttempts,
    key: storeKey(tenant, `${functionPrefix}${name}`, key),
    raw,
    canonical: () => raw,
    canonicalFirst: true,
    label: { key, operation: name, tenant: tenant.slice(0, 8) },
    waitMs,
    mayRun: true,
  }
  return { engine, call: signal === undefined ? call : { ...call, signal }, tenant }
}

/** What of the arguments makes another call, in canonical form. */
async function readCounted(rules: FunctionRules, self: unknown, args: readonly unknown[]): Promise<Uint8Array> {
  const { name, fingerprint } = rules
  const counted =
    fingerprint === undefined
      ? meantArguments(args)
      : await ask('fingerprint', () => fingerprint.apply(self, [...args]))
  const what = fingerprint === undefined ? 'args' : 'fingerprint'
  const canonical = canonicalValue(counted, what, isSignal)
  if (canonical.kind === 'canonical') return canonical.bytes
  const cure = 'say what counts of the arguments: idempotent(fn, { fingerprint: (...args) => … })'
  throw refusal(name, 'CONFIG_INVALID', `${canonical.path} ${canonical.reason}, and cannot be compared; ${cure}`)
}

/** A last argument that is left out is the same as `undefined`; how long a caller waits is not what it asks for. */
function meantArguments(args: readonly unknown[]): readonly unknown[] {
  const meant = args.map(arg => (isSignal(arg) ? undefined : arg))
  return meant.slice(0, meant.findLastIndex(arg => arg !== undefined) + 1)
}

function isSignal(value: unknown): boolean {
  return value instanceof AbortSignal
}

export function refusal(name: string, code: ErrorCode, why: string, retryAfterMs?: number): RetrysafeError {
  return new RetrysafeError(code, `${name}: ${why}`, { retryAfterMs })
}
