import { isToken } from 'retrysafe/internal/protocol/headers'
import { FlagError } from '../../config/flag.ts'

/** A header of `--header`; its name in lower case. */
export interface GivenHeader {
  readonly name: string
  readonly value: string
}

/** What a call goes with, beside what the sender says of its body and its key. */
export interface CallCredentials {
  readonly apiKey: string | undefined
  readonly given: readonly GivenHeader[]
}

const maxHeaders = 64
const maxValueLength = 8_192
/** Anything shorter stands in many an answer by chance. */
const leastSecretLength = 6
/** In a success nothing but what can be no word of an answer is looked for. */
const leastKeyLength = 16
const ellipsis = '***'

/** What we say ourselves, or what belongs to one connection. */
const ours: ReadonlySet<string> = new Set([
  ...['accept-encoding', 'connection', 'content-encoding', 'content-length', 'content-type', 'expect', 'host'],
  ...['idempotency-key', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
])

/** `NAME: VALUE`. What it throws shows no value: it may be a credential. */
export function readHeader(text: string): GivenHeader {
  const at = text.indexOf(':')
  const name = text.slice(0, Math.max(0, at)).trim().toLowerCase()
  if (!isToken(name)) throw new FlagError("it takes 'NAME: VALUE'")
  if (ours.has(name)) throw new FlagError(`${name} is set by retrysafe itself`)
  return { name, value: headerValue(text.slice(at + 1), `the value of ${name}`) }
}

/** All of `--header`. */
export function combineHeaders(headers: readonly GivenHeader[]): readonly GivenHeader[] {
  if (headers.length > maxHeaders) throw new FlagError(`it takes at most ${maxHeaders} headers`)
  const twice = headers.find(({ name }, at) => headers.findIndex(other => other.name === name) !== at)
  if (twice !== undefined) throw new FlagError(`${twice.name} is given twice`)
  return headers
}

/** The key that stands in a variable of the environment. */
export function readApiKey(variable: string, environment: Readonly<Record<string, string | undefined>>): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,199}$/.test(variable)) {
    throw new FlagError(
      'it takes the name of a variable of the environment, such as OPENAI_API_KEY, not the key itself',
    )
  }
  const key = environment[variable]?.trim()
  if (key === undefined || key === '') {
    throw new FlagError(`the variable ${variable} is ${key === undefined ? 'not set' : 'empty'}`)
  }
  return headerValue(key, `the variable ${variable}`)
}

/**
 * The headers of calls to a path: the API key as its API wants it, and what `--header` says, which wins.
 *
 * @param target as it is sent, perhaps with a query
 */
export function callHeaders({ apiKey, given }: CallCredentials, target: string): Readonly<Record<string, string>> {
  const headers = { ...(apiKey !== undefined && credentialHeaders(apiKey, target.replace(/\?.*/s, ''))) }
  return { ...headers, ...Object.fromEntries(given.map(({ name, value }) => [name, value])) }
}

/** Takes out of what a host says what it was shown: it must not bring a credential into a file. */
export interface Redaction {
  /** Of a name, or a refusal, perhaps cut off at its end. */
  redact(text: string): string
  /** Of a success, which is to stay as it came: only what is a key beyond doubt. */
  redactKeys(text: string): string
}

export function redactionOf(credentials: CallCredentials): Redaction {
  const secrets = secretsIn(credentials)
  const { apiKey = '', given } = credentials
  const own = given.filter(({ name }) => ownNames.has(name))
  const keys = secretsIn({ apiKey, given: own }).filter(({ length }) => length >= leastKeyLength)
  const without = (text: string, all: readonly string[]): string =>
    all.reduce((rest, secret) => rest.replaceAll(secret, ellipsis), text)
  return {
    redact: text => secrets.reduce(withoutBegun, without(text, secrets)),
    redactKeys: text => without(text, keys),
  }
}

/** Headers that carry a key and nothing else. */
const ownNames: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

/** The end of a text that was cut may hold the beginning of a secret. */
function withoutBegun(text: string, secret: string): string {
  for (let length = secret.length - 1; length >= leastSecretLength; length--) {
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length) + ellipsis
  }
  return text
}

/** What nobody else is to see of them: the key, and what headers hold whose names say that it is one. */
export function secretsIn({ apiKey, given }: CallCredentials): readonly string[] {
  const secret = given.filter(({ name }) => /auth|key|token|secret|cookie|pass/.test(name)).map(({ value }) => value)
  // Also without the scheme before it.
  const all = [...(apiKey === undefined ? [] : [apiKey]), ...secret, ...secret.map(value => value.replace(/^\S+ /, ''))]
  // And as JSON writes it.
  return (
    [...new Set(all.flatMap(text => [text, JSON.stringify(text).slice(1, -1)]))]
      .filter(text => text.length >= leastSecretLength)
      // As it is, and as PHP and others write it into JSON.
      .flatMap(text => (text.includes('/') ? [text, text.replaceAll('/', '\\/')] : [text]))
      .sort((one, other) => other.length - one.length)
  )
}

function credentialHeaders(apiKey: string, path: string): Record<string, string> {
  if (/\/v1\/messages(\/|$)/.test(path)) return { 'x-api-key': apiKey, 'anthropic-version': '2023-06-01' }
  if (/\/v\d[0-9a-z]*\/models\/[^/]+:[A-Za-z]+$/.test(path)) return { 'x-goog-api-key': apiKey }
  return { authorization: `Bearer ${apiKey}` }
}

function headerValue(text: string, what: string): string {
  const value = text.trim()
  if (value === '') throw new FlagError(`${what} is empty`)
  if (value.length > maxValueLength) throw new FlagError(`${what} has more than ${maxValueLength} characters`)
  if (!/^[\t\x20-\x7e]+$/.test(value)) throw new FlagError(`${what} holds a character that no header can carry`)
  return value
}
