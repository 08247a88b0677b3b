import { types } from 'node:util'
import type { Fingerprint } from './fingerprint.ts'
import { canonicalJson, MAX_JSON_BYTES } from './json.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { isPlainObject } from './plain-object.ts'

/** `path` is where the value holds what has no canonical form. */
export type CanonicalValue = { kind: 'canonical'; bytes: Uint8Array } | { kind: 'none'; path: string; reason: string }

const maxDepth = 1_000

class NoForm extends Error {
  readonly path: string

  constructor(path: string, reason: string) {
    super(reason)
    this.path = path
  }
}

/**
 * One spelling for each value: two values have equal `bytes` exactly if they are the same, nothing lost. What JSON has is
 * written as canonical JSON (the order of members does not count, and -0 is 0); what it lacks as an object whose only
 * member begins with U+0000: `undefined`, BigInt, NaN, infinities, Date, Map and Set (their order counts), bytes, holes.
 * A member that begins so itself gets one more, so nothing can pass for something else.
 *
 * `none`: functions, symbols, promises, instances of classes, cycles. Members that are symbols or not enumerable are no
 * part of a value.
 *
 * @param name what the value is called in the path
 * @param isLeftOut members that do not count
 */
export function canonicalValue(
  value: unknown,
  name: string,
  isLeftOut: (member: unknown) => boolean = () => false,
): CanonicalValue {
  const writer = new FormWriter(isLeftOut)
  try {
    writer.write(value, name, 0)
  } catch (error) {
    if (error instanceof NoForm) return { kind: 'none', path: error.path, reason: error.message }
    throw error
  }
  const canonical = canonicalJson(Buffer.from(writer.text()))
  return canonical.kind === 'canonical' ? canonical : { kind: 'none', path: name, reason: canonical.reason }
}

/** What a call asks for that is a value, and no request. Equals the fingerprint of no request. */
export function valueFingerprint(key: KeyedHash, canonical: Uint8Array): Fingerprint {
  return `v${key.digest('value ', canonical)}` as Fingerprint
}

class FormWriter {
  readonly #isLeftOut: (member: unknown) => boolean
  readonly #parts: string[] = []
  /** Those around the one that is written. */
  readonly #holders = new Set<object>()
  #length = 0

  constructor(isLeftOut: (member: unknown) => boolean) {
    this.#isLeftOut = isLeftOut
  }

  text(): string {
    return this.#parts.join('')
  }

  write(value: unknown, path: string, depth: number): void {
    switch (typeof value) {
      case 'string':
        return this.#say(JSON.stringify(value), path)
      case 'number':
        return this.#say(Number.isFinite(value) ? String(value) : special('number', `"${value}"`), path)
      case 'boolean':
        return this.#say(String(value), path)
      case 'undefined':
        return this.#say(special('undefined', 'true'), path)
      case 'bigint':
        return this.#say(special('bigint', `"${value}"`), path)
      case 'object':
        return value === null ? this.#say('null', path) : this.#writeObject(value, path, depth)
      default:
        throw new NoForm(path, `is a ${typeof value}`)
    }
  }

  #writeObject(value: object, path: string, depth: number): void {
    if (types.isDate(value)) return this.#say(special('date', `"${value.getTime()}"`), path)
    if (ArrayBuffer.isView(value) || types.isArrayBuffer(value)) return this.#say(bytesForm(value), path)
    if (this.#holders.has(value)) throw new NoForm(path, 'is part of a cycle')
    if (depth >= maxDepth) throw new NoForm(path, `is nested more than ${maxDepth} levels deep`)
    this.#holders.add(value)
    if (Array.isArray(value)) this.#writeArray(value, path, depth + 1)
    else if (types.isMap(value)) this.#writeMap(value, path, depth + 1)
    else if (types.isSet(value)) this.#writeSet(value, path, depth + 1)
    else if (isPlainObject(value)) this.#writeMembers(value, path, depth + 1)
    else throw new NoForm(path, 'is an instance of a class')
    this.#holders.delete(value)
  }

  #writeArray(array: readonly unknown[], path: string, depth: number): void {
    const names = Object.keys(array)
    const more = names.at(-1)
    if (more !== undefined && !(Number(more) < array.length))
      throw new NoForm(`${path}.${more}`, 'is a member of an array')
    // More holes than members: written one by one they could take for ever.
    if (array.length > 2 * names.length + 1_000) throw new NoForm(path, 'is an array of holes')
    this.#say('[', path)
    for (let at = 0; at < array.length; at++) {
      if (at > 0) this.#say(',', path)
      if (at in array) this.write(array[at], `${path}[${at}]`, depth)
      else this.#say(special('hole', 'true'), path)
    }
    this.#say(']', path)
  }

  #writeMap(map: ReadonlyMap<unknown, unknown>, path: string, depth: number): void {
    this.#writeSpecial('map', [...map].flat(1), path, depth)
  }

  #writeSet(set: ReadonlySet<unknown>, path: string, depth: number): void {
    this.#writeSpecial('set', [...set], path, depth)
  }

  #writeSpecial(name: string, items: readonly unknown[], path: string, depth: number): void {
    this.#say(`{"\\u0000${name}":`, path)
    this.#writeArray(items, path, depth)
    this.#say('}', path)
  }

  #writeMembers(value: object, path: string, depth: number): void {
    let before = '{'
    for (const [name, member] of Object.entries(value)) {
      if (this.#isLeftOut(member)) continue
      this.#say(`${before}${JSON.stringify(name.startsWith('\0') ? `\0${name}` : name)}:`, path)
      this.write(member, `${path}.${name}`, depth)
      before = ','
    }
    this.#say(before === '{' ? '{}' : '}', path)
  }

  #say(text: string, path: string): void {
    this.#length += text.length
    if (this.#length > MAX_JSON_BYTES) throw new NoForm(path, `makes it longer than ${MAX_JSON_BYTES} bytes`)
    this.#parts.push(text)
  }
}

function special(name: string, content: string): string {
  return `{"\\u0000${name}":${content}}`
}

function bytesForm(value: ArrayBufferView | ArrayBuffer): string {
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value)
  const name = Object.prototype.toString.call(value).slice(8, -1)
  return special('bytes', `["${name}","${bytes.toString('base64')}"]`)
}
