import { RetrysafeError } from '../../engine/errors.ts'
import { isRefusal, reasonOf } from './when-ready.ts'

/** What the server answers with, such as NOSCRIPT or OOM; empty for an error on the way to it. */
export function codeOf(error: unknown): string {
  return /^-?([A-Z]{2,}[A-Z_]*)\b/.exec(messageOf(error))?.[1] ?? ''
}

/** It will take commands again by itself: it starts, fails over, moves slots, has lost its replicas. */
const passing = new Set([
  'LOADING',
  'READONLY',
  'CLUSTERDOWN',
  'MASTERDOWN',
  'TRYAGAIN',
  'MOVED',
  'ASK',
  'BUSY',
  'NOREPLICAS',
  'UNBLOCKED',
])

/** Worth sending again: the step was not made, or it is not known. */
export function isPassing(error: unknown): boolean {
  if (error instanceof RetrysafeError || isRefusal(reasonOf(Object(error) as Error))) return false
  const code = codeOf(error)
  return code === '' || passing.has(code)
}

/** The server was gone or would not serve anybody: owners could not renew their leases. A cut connection says nothing. */
export function showsOutage(error: unknown): boolean {
  const code = codeOf(error)
  if (['LOADING', 'READONLY', 'CLUSTERDOWN', 'MASTERDOWN'].includes(code)) return true
  const inner = reasonOf(Object(error) as Error)
  return ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(String(Reflect.get(Object(inner), 'code')))
}

/**
 * What an error of the server or the client means for a store. The messages of neither hold a password; but ioredis'
 * errors carry the command that failed, AUTH with its password or an outcome with all its bytes: only the message stays.
 */
export function storeError(error: unknown): RetrysafeError {
  if (error instanceof RetrysafeError) return error
  const said = messageOf(error)
  const make = (code: 'STORE_UNAVAILABLE' | 'STORE_FULL' | 'STORE_INCOMPATIBLE', what: string) =>
    new RetrysafeError(code, `Redis ${what}`, { cause: new Error(said) })
  switch (codeOf(error)) {
    case 'OOM':
      return make('STORE_FULL', `is full (${said}): raise maxmemory, or shorten the retention`)
    case 'NOAUTH':
      return make('STORE_UNAVAILABLE', "wants a password: put it into the store's URL")
    case 'WRONGPASS':
      return make('STORE_UNAVAILABLE', `refuses the user or its password (${said}): look at the store's URL`)
    case 'NOPERM':
      return make('STORE_UNAVAILABLE', `gives this user too few rights (${said}): ${rightsCure('PREFIX')}`)
    case 'MISCONF':
    case 'NOREPLICAS':
      return make('STORE_UNAVAILABLE', `refuses to write: ${said}`)
    case 'WRONGTYPE':
      return make(
        'STORE_INCOMPATIBLE',
        `holds something else under our keys (${said}): give this store a prefix of its own`,
      )
  }
  if (said.includes('RETRYSAFE_VERSION'))
    return make('STORE_INCOMPATIBLE', 'holds records of another version of Retrysafe: use that, or another prefix')
  if (/cluster support disabled/i.test(said)) return singleInstead()
  if (codeOf(error) === 'MOVED') return clusterInstead()
  if (/DB index is out of range/i.test(said))
    return make('STORE_UNAVAILABLE', "has no database of that number: name another in the store's URL")
  const advice = codeOf(error) === '' ? adviceOf(said) : 'try again later'
  return make('STORE_UNAVAILABLE', `is out of reach: ${said}; ${advice}`)
}

/** Nothing came for as long as a step may take, in ms. */
export function silent(timeoutMs: number): RetrysafeError {
  const message = `Redis gave no answer within ${timeoutMs} ms`
  return new RetrysafeError('STORE_UNAVAILABLE', `${message}: see how busy it is, or correct ${place}`)
}

const place = "host, port and TLS (rediss:// or redis://) in the store's URL"

function adviceOf(said: string): string {
  if (/certificate/i.test(said)) return "name its authority by ca=FILE in the store's URL"
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH/.test(said))
    return "start it, or correct host and port in the store's URL"
  return `start it, or correct ${place}`
}

/** A client of a cluster has come to a server that is none. */
export function singleInstead(): RetrysafeError {
  const message = 'Redis is a single server, no cluster: take redis:// instead of redis+cluster://'
  return new RetrysafeError('STORE_INCOMPATIBLE', message)
}

/** A client of one server has come to a node of a cluster. */
export function clusterInstead(): RetrysafeError {
  const message = 'Redis is a node of a cluster: take redis+cluster:// instead of redis://'
  return new RetrysafeError('STORE_INCOMPATIBLE', message)
}

/** What gives a user all that the store and its clients need, and no more than a line can say. */
export function rightsCure(prefix: string): string {
  return `ACL SETUSER name ~${prefix}:* &${prefix}:* +@read +@write +@scripting +@pubsub +info +time +cluster|slots +cluster|info`
}

function messageOf(error: unknown): string {
  const inner = typeof error === 'object' && error !== null ? reasonOf(error as Error) : error
  const text = inner instanceof Error ? inner.message || String(Reflect.get(inner, 'code') ?? '') : String(inner)
  // ioredis' cluster keeps what happened to itself.
  if (text === 'Connection is closed.') return 'no connection could be made'
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}
