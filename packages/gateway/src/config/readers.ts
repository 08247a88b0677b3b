import { METHODS } from 'node:http'
import { readGrace } from 'retrysafe/internal/engine/policy'
import { parseDuration, parseSize } from 'retrysafe/internal/protocol/duration'
import { isToken } from 'retrysafe/internal/protocol/headers'
import { mayCarryKey } from 'retrysafe/internal/server/header-names'
import type { DisconnectPolicy, StatusRange, TenantMode } from './config.ts'
import { FlagError, type Read, shaped } from './flag.ts'

const durationPattern = '^(0|[0-9]{1,12}([.][0-9]{1,3})?(ms|s|m|h|d))$'
const sizePattern = '^[0-9]{1,12}([.][0-9]{1,3})?([bB]|[kK][bB]|[mM][bB]|[gG][bB])?$'

export function text(value: string): string {
  if (value.trim() === '') throw new FlagError('it takes a value that is not empty')
  return value.trim()
}

export const secret: Read<string> = shaped(
  value => {
    if (value.length < 16) throw new FlagError('it takes at least 16 characters')
    return value
  },
  { type: 'string', minLength: 16 },
)

export function countBetween(least: number, most: number): Read<number> {
  const read = (value: string): number => {
    const count = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    if (!(count >= least && count <= most)) throw new FlagError(`it takes a whole number from ${least} to ${most}`)
    return count
  }
  return shaped(read, { type: 'integer', minimum: least, maximum: most })
}

export const port: Read<number> = countBetween(0, 65_535)

export function durationBetween(leastMs: number, mostMs: number, range: string): Read<number> {
  const read = (value: string): number => {
    const ms = parseDuration(value)
    if (ms === undefined) throw new FlagError('it takes a duration such as 500ms, 30s, 10m, 24h or 7d')
    if (ms < leastMs || ms > mostMs) throw new FlagError(`it takes ${range}`)
    return ms
  }
  return shaped(read, { type: 'string', pattern: durationPattern })
}

export function sizeBetween(least: number, most: number, range: string): Read<number> {
  const read = (value: string): number => {
    const bytes = parseSize(value)
    if (bytes === undefined) throw new FlagError('it takes a size such as 512kb or 32mb')
    if (bytes < least || bytes > most) throw new FlagError(`it takes ${range}`)
    return bytes
  }
  return shaped(read, { type: 'string', pattern: sizePattern })
}

export function oneOf<Value extends string>(...choices: readonly Value[]): Read<Value> {
  const read = (value: string): Value => {
    const choice = choices.find(candidate => candidate === value)
    if (choice === undefined) throw new FlagError(`it takes ${choices.join(' or ')}`)
    return choice
  }
  return shaped(read, { type: 'string', enum: choices })
}

/** A flag without a value says `true`. */
export const onOrOff: Read<boolean> = shaped(
  value => {
    if (value === 'on' || value === 'true') return true
    if (value === 'off' || value === 'false') return false
    throw new FlagError('it takes on or off')
  },
  { type: 'boolean' },
)

export function headerName(value: string): string {
  if (!isToken(value)) throw new FlagError('it takes the name of a header')
  return value.toLowerCase()
}

export function keyHeader(value: string): string {
  const name = headerName(value)
  if (!mayCarryKey(name))
    throw new FlagError(`${name} cannot carry a key: it is a credential or has a meaning of its own`)
  return name
}

export function method(value: string): string {
  const name = value.toUpperCase()
  // A misspelled one would leave the keys of the one that was meant without a meaning.
  if (!METHODS.includes(name)) throw new FlagError('it takes methods of HTTP such as POST')
  // Their answers have no body that a retry could get, or another meaning at every hop.
  if (['HEAD', 'CONNECT', 'TRACE'].includes(name)) throw new FlagError(`${name} calls have nothing to keep`)
  return name
}

export function statusRange(value: string): StatusRange {
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(value)
  if (match === null) throw new FlagError('it takes a status such as 201 or a range such as 200-299')
  const from = Number(match[1])
  const to = Number(match[2] ?? match[1])
  if (from < 200 || to < from) throw new FlagError('it takes statuses from 200 to 599, the lower one first')
  return { from, to }
}

export function tenant(value: string): TenantMode {
  if (value === 'credential' || value === 'none') return { kind: value }
  if (value.startsWith('header:')) return { kind: 'header', name: headerName(value.slice('header:'.length)) }
  throw new FlagError('it takes credential, header:NAME or none')
}

export const onDisconnect: Read<DisconnectPolicy> = shaped(
  value => {
    const policy = value === 'auto' ? 'auto' : readGrace(value)
    if (policy === undefined) throw new FlagError('it takes auto, finish, cancel or grace:DURATION, at most grace:24h')
    return policy
  },
  { type: 'string', pattern: '^(auto|finish|cancel|grace:(0|[0-9]{1,12}([.][0-9]{1,3})?(ms|s|m|h|d)))$' },
)

const clientHeaders = ['Retrysafe-Key-Reuse', 'Retrysafe-Bypass'] as const

export const clientHeader: Read<string> = shaped(
  value => {
    const header = clientHeaders.find(name => name.toLowerCase() === value.toLowerCase())
    if (header === undefined) throw new FlagError(`it takes ${clientHeaders.join(' or ')}`)
    return header
  },
  { type: 'string', enum: clientHeaders },
)
