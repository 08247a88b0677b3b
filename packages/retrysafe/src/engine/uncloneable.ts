import { types } from 'node:util'
import { isPlainObject } from '../fingerprint/plain-object.ts'

/** Where a value holds what would not come back, and why. */
export interface Uncloneable {
  readonly path: string
  readonly reason: string
}

/** Deeper than this V8 may run out of stack, here or where the value is read. */
const maxDepth = 1_000

/** How the holder of a value would write it: `.name` or `[0]`, `.get("key")`, `.values()[0]`. */
type Step = 'member' | 'map key' | 'map value' | 'set item'

interface Place {
  readonly value: unknown
  readonly parent: Place | undefined
  readonly step: Step
  readonly name: unknown
  readonly depth: number
}

/**
 * Looks for what structured clone refuses (functions, symbols, promises, …), and for what it takes and silently makes
 * something less of: an instance of a class becomes a plain object, an error of one's own a plain `Error`. Members that
 * are symbols or not enumerable are no part of a value, as in structured clone.
 *
 * @param name what the value is called in the path
 */
export function findUncloneable(value: unknown, name: string): Uncloneable | undefined {
  const seen = new Set<object>()
  const places: Place[] = []
  let held: Place[] = [{ value, parent: undefined, step: 'member', name, depth: 0 }]
  for (;;) {
    // The first of them next.
    for (let next = held.pop(); next !== undefined; next = held.pop()) places.push(next)
    const place = places.pop()
    if (place === undefined) return undefined
    const reason = whyNot(place.value)
    if (reason !== undefined) return { path: pathOf(place, name), reason }
    const { value: holder, depth } = place
    if (typeof holder !== 'object' || holder === null || seen.has(holder)) continue
    seen.add(holder)
    if (depth >= maxDepth) return { path: name, reason: `is nested more than ${maxDepth} levels deep` }
    held = []
    eachMember(holder, (step, name, value) => {
      // Most values are of these, and made of nothing else.
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value == null) return
      held.push({ value, parent: place, step, name, depth: depth + 1 })
    })
  }
}

function whyNot(value: unknown): string | undefined {
  if (typeof value === 'function') return 'is a function'
  if (typeof value === 'symbol') return 'is a symbol'
  if (typeof value !== 'object' || value === null) return undefined
  if (isPlainObject(value)) return undefined
  if (types.isProxy(value)) return 'is a Proxy'
  if (types.isNativeError(value)) return whyNotError(value)
  if (types.isPromise(value)) return 'is a promise: await it'
  const kind = builtIns.find(({ is }) => is(value))
  if (kind === undefined) return `is an instance of ${classOf(value)}: return a plain object`
  return isOfRealm(value, kind.name) ? undefined : `is an instance of ${classOf(value)}, which extends ${kind.name}`
}

/** What structured clone knows, and brings back as what it was. */
const builtIns: readonly { name: string; is: (value: object) => boolean }[] = [
  { name: 'Array', is: Array.isArray },
  { name: 'Map', is: types.isMap },
  { name: 'Set', is: types.isSet },
  { name: 'Date', is: types.isDate },
  { name: 'RegExp', is: types.isRegExp },
  { name: 'ArrayBuffer', is: types.isArrayBuffer },
  { name: 'view', is: ArrayBuffer.isView },
  { name: 'boxed', is: value => types.isBoxedPrimitive(value) && !types.isSymbolObject(value) },
]

const viewClasses = /^(?:Buffer|DataView|(?:Uint8Clamped|(?:Big)?U?[iI]nt(?:8|16|32|64)|Float(?:32|64))Array)$/
const boxedClasses = /^(?:Number|String|Boolean|BigInt)$/

/** By name, not by identity: a value may come from another realm (a `vm` context, a test runner's). */
function isOfRealm(value: object, kind: string): boolean {
  const name = classOf(value)
  if (kind === 'view') return viewClasses.test(name)
  return kind === 'boxed' ? boxedClasses.test(name) : name === kind
}

const errorClasses = new Set([
  'Error',
  'EvalError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'TypeError',
  'URIError',
])
const errorMembers = new Set(['name', 'message', 'stack', 'cause'])

/** Structured clone keeps name, message, stack and cause of the standard classes, and drops everything else. */
function whyNotError(error: Error): string | undefined {
  const name = classOf(error)
  if (!errorClasses.has(name) || error.name !== name)
    return `is an error of the kind ${error.name}, which would be lost`
  const more = Object.keys(error).find(name => !errorMembers.has(name))
  return more === undefined ? undefined : `is an error with the member ${JSON.stringify(more)}, which would be lost`
}

function classOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (typeof prototype !== 'object' || prototype === null) return 'a class without a name'
  const made: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  return typeof made === 'function' && made.name !== '' ? made.name : 'a class without a name'
}

function eachMember(holder: object, visit: (step: Step, name: unknown, value: unknown) => void): void {
  if (ArrayBuffer.isView(holder) || types.isAnyArrayBuffer(holder)) return
  if (types.isMap(holder)) {
    for (const [key, value] of holder) {
      visit('map key', key, key)
      visit('map value', key, value)
    }
  } else if (types.isSet(holder)) {
    let at = 0
    for (const value of holder) visit('set item', at++, value)
  } else if (types.isNativeError(holder)) {
    if (Object.hasOwn(holder, 'cause')) visit('member', 'cause', holder.cause)
  } else {
    for (const name of Object.keys(holder)) visit('member', name, Reflect.get(holder, name))
  }
}

const longestPath = 40

function pathOf(place: Place, root: string): string {
  const steps: string[] = []
  for (let at = place; at.parent !== undefined; at = at.parent) steps.unshift(stepOf(at, at.parent.value))
  return `${root}${steps.slice(0, longestPath).join('')}${steps.length > longestPath ? '…' : ''}`
}

function stepOf({ step, name }: Place, holder: unknown): string {
  switch (step) {
    case 'member':
      if (Array.isArray(holder) && /^\d+$/.test(String(name))) return `[${name}]`
      return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(String(name)) ? `.${name}` : `[${textOf(name)}]`
    case 'map key':
      return `.keys(${textOf(name)})`
    case 'map value':
      return `.get(${textOf(name)})`
    case 'set item':
      return `.values()[${name}]`
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'object' || typeof value === 'function') return value === null ? 'null' : '…'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
