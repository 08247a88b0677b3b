/** What a rejection of the platform's `fetch` says of the request. */
export type NetworkFailure = 'not sent' | 'never' | 'sent'

/** Nobody was there to take it. Node's and undici's codes, and Bun's. */
const unsentCodes = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'],
  ...['UND_ERR_CONNECT_TIMEOUT', 'ConnectionRefused', 'FailedToOpenSocket'],
])
/** It will be the same at every attempt: a certificate that nobody trusts, a URL or an option that nobody takes. */
const neverCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_INVALID_|UND_ERR_INVALID_ARG)/

/** The same without a code, as undici says it: a port, or an answer, that the platform or the caller forbids. */
const neverMessages = /^(bad port|unknown scheme|unexpected redirect|redirect count exceeded)$/

const longestChain = 8

/** Whatever is not known to have stayed here counts as sent. */
export function readNetworkFailure(error: unknown): NetworkFailure {
  const codes = codesOf(error)
  if (codes.some(code => neverCodes.test(code))) return 'never'
  if (error instanceof TypeError && error.cause instanceof Error && neverMessages.test(error.cause.message))
    return 'never'
  // One address of several may have been reached.
  if (codes.length > 0 && codes.every(code => unsentCodes.has(code))) return 'not sent'
  // Deno has no codes.
  if (error instanceof TypeError && /connection refused|dns error/i.test(error.message)) return 'not sent'
  return 'sent'
}

function codesOf(error: unknown): readonly string[] {
  const codes: string[] = []
  let at: unknown = error
  for (let depth = 0; depth < longestChain && typeof at === 'object' && at !== null; depth++) {
    const errors: unknown = Reflect.get(at, 'errors')
    if (Array.isArray(errors) && errors.length > 0) return [...codes, ...errors.slice(0, longestChain).flatMap(ownCode)]
    codes.push(...ownCode(at))
    at = Reflect.get(at, 'cause')
  }
  return codes
}

function ownCode(error: unknown): readonly string[] {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? [code] : []
}
