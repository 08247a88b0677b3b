import type { StoreKey } from '../../engine/record.ts'
import { textName } from '../packed-names.ts'

/** The keys of one store in Redis: all begin with its prefix, and each record is a slot of its own. */
export class Names {
  readonly #prefix: string
  /** For SCAN: the keys of records. */
  readonly recordPattern: string
  /** The index of unknown records. */
  readonly unknown: string

  constructor(prefix: string) {
    this.#prefix = prefix
    this.recordPattern = `${prefix}:{*}`
    this.unknown = `${prefix}:u`
  }

  record(key: StoreKey): string {
    return `${this.#prefix}:{${tagOf(key)}}`
  }

  steps(key: StoreKey): string {
    return `${this.record(key)}:p`
  }

  channel(key: StoreKey): string {
    return `${this.record(key)}:n`
  }

  pair(pairKey: string): string {
    return `${this.#prefix}:o:{${tagOf(pairKey)}}`
  }

  /** A bucket's sums, its sources' last numbers, and its sources in the order in which they were heard. */
  counters(bucket: string): [sums: string, numbers: string, heard: string] {
    const sums = `${this.#prefix}:c:{${tagOf(bucket)}}`
    return [sums, `${sums}:q`, `${sums}:h`]
  }

  meta(name: string): string {
    return `${this.#prefix}:m:{${tagOf(name)}}`
  }

  /** The record that a key is, if it is one. */
  readRecord(name: string): StoreKey | undefined {
    const before = `${this.#prefix}:{`
    if (!name.startsWith(before) || !name.endsWith('}')) return undefined
    return readTag(name.slice(before.length, -1))
  }
}

/** Letters that neither a hash tag nor a pattern takes for its own; other texts as base64url, behind a `~`. */
function tagOf(text: string): string {
  return /^[\w-]{1,64}$/.test(text) ? text : `~${textName(text).toString('base64url')}`
}

function readTag(tag: string): StoreKey {
  return (tag.startsWith('~') ? Buffer.from(tag.slice(1), 'base64url').toString() : tag) as StoreKey
}
