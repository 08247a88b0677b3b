/** Names of the headers that Retrysafe reads and writes, lower case. */
export const headerNames = {
  key: 'idempotency-key',
  replayed: 'idempotent-replayed',
  outcome: 'retrysafe-outcome',
  keyInForce: 'retrysafe-key',
  stream: 'retrysafe-stream',
  age: 'age',
  wait: 'retrysafe-wait',
} as const

/** What `Retrysafe-Outcome` says of one response. */
export type OutcomeWord = 'executed' | 'replayed' | 'joined' | 'bypassed' | 'refused'

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a text can name a header, or a method: a token (RFC 9110 §5.6.2) of 100 characters at most. */
export function isToken(text: unknown): text is string {
  return typeof text === 'string' && /^[!#$%&'*+.^_`|~\w-]{1,100}$/.test(text)
}

/** Framing and encoding: computed anew by whoever sends the message. */
const framing = new Set(['content-length', 'content-encoding'])

/**
 * Never part of an outcome: they belong to one caller (`set-cookie`), to one moment (rate limits, dates) or to one
 * origin (CORS), and a replay goes to another caller at another moment.
 */
const momentary = new Set([
  'set-cookie',
  'set-cookie2',
  'date',
  'age',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'alt-svc',
  'server-timing',
  'nel',
  'report-to',
  'www-authenticate',
  'clear-site-data',
])
const momentaryPrefixes = ['access-control-', 'x-ratelimit-', 'ratelimit', 'x-rate-limit-', 'anthropic-ratelimit-']

/** Names listed in `Connection` are hop-by-hop too (RFC 9110 §7.6.1). Lower case; without its own options. */
export function connectionTokens(connection: string | undefined): ReadonlySet<string> {
  // By far the most say one of these, and name no header with it.
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return none
  return new Set(connection.split(',').map(token => token.trim().toLowerCase()))
}
const none: ReadonlySet<string> = new Set()

/** @param name lower case */
export function isHopByHop(name: string): boolean {
  return hopByHop.has(name)
}

/** Ours, in either direction: dropped when somebody else sends it. @param name lower case */
export function isOurs(name: string): boolean {
  return name.startsWith('retrysafe-') || name === headerNames.replayed
}

/** Whether a response header belongs into the outcome that retries get. @param name lower case */
export function isReplayable(name: string): boolean {
  if (hopByHop.has(name) || framing.has(name) || momentary.has(name) || isOurs(name)) return false
  return !momentaryPrefixes.some(prefix => name.startsWith(prefix))
}
