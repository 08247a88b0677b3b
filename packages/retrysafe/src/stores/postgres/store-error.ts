import { RetrysafeError } from '../../engine/errors.ts'

/** What the server or the driver says: a five-character SQLSTATE, or a system's code such as ECONNREFUSED. */
export function codeOf(error: unknown): string {
  return String(Reflect.get(Object(error), 'code') ?? '')
}

/** Lost a race that a second try settles: a snapshot, a deadlock, a partition that was made for these bytes meanwhile. */
const transient = new Set(['40001', '40P01', '23514'])

export function isTransient(error: unknown): boolean {
  return transient.has(codeOf(error))
}

/**
 * What an error of the server or the driver means for a store. Never shows a password: the driver's messages have none.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function storeError(error: unknown): RetrysafeError {
  if (error instanceof RetrysafeError) return error
  const said = messageOf(error)
  const make = (code: 'STORE_UNAVAILABLE' | 'STORE_FULL' | 'STORE_INCOMPATIBLE' | 'REQUEST_INVALID', what: string) =>
    new RetrysafeError(code, `PostgreSQL ${what}`, { cause: error })
  const code = codeOf(error)
  switch (code) {
    case '53100':
      return make('STORE_FULL', `has no space left (${said}): give its disk more, or shorten the retention`)
    case '3F000':
    case '42P01':
    case '42703':
    case '42704':
    case '42883':
      return make('STORE_INCOMPATIBLE', `has no schema of this version (${said}): run retrysafe migrate --store URL`)
    case '42501':
      return make(
        'STORE_UNAVAILABLE',
        `gives this role no right to the store (${said}): run retrysafe migrate --store URL --grant-to ROLE as the schema's owner`,
      )
    case '28P01':
    case '28000':
      return make('STORE_UNAVAILABLE', `refuses the role or its password (${said}): look at the URL and at pg_hba.conf`)
    case '3D000':
      return make('STORE_UNAVAILABLE', `has no such database (${said}): create it, or name another in the URL`)
  }
  // A value that no column takes, or a statement over the server's own limits.
  if (/^(22|54)/.test(code) || error instanceof RangeError)
    return make('REQUEST_INVALID', `takes no such value: ${said}`)
  // How pg says that the server asks for a password and it has none.
  if (/password must be a/.test(said))
    return make('STORE_UNAVAILABLE', `wants a password (${said}): put it into the store's URL`)
  // Of its own it answers with a SQLSTATE; anything else comes from the way to it.
  const advice = /^(?=.*\d)[0-9A-Z]{5}$/.test(code)
    ? 'try again later'
    : "start it, or correct host and port in the store's URL"
  return make('STORE_UNAVAILABLE', `is out of reach: ${said}; ${advice}`)
}

function messageOf(error: unknown): string {
  // A host with several addresses fails with one error for all of them.
  const first = error instanceof AggregateError ? error.errors[0] : error
  const text = first instanceof Error ? first.message || codeOf(first) : String(first)
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}
