import { hash } from 'node:crypto'
import { callbackFailed } from '../engine/callback.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { canonicalValue } from '../fingerprint/canonical-value.ts'
import { isPlainObject } from '../fingerprint/plain-object.ts'
import { HashTable } from './hash-table.ts'
import { batchItemKey } from './item-key.ts'
import type { BatchRules } from './options.ts'

/** Of a custom id, in a message. */
const mostShown = 200

/** One item, and all that is known of it before it is sent. */
export interface BatchItem<Item> {
  readonly index: number
  readonly item: Item
  readonly customId: string | undefined
  readonly key: string
  /** SHA-256 of what counts of it. */
  readonly fingerprint: Uint8Array
  readonly sizeBytes: number
  /** What it is likely to use. */
  readonly tokens: number
}

type ReaderRules<Item> = Pick<
  BatchRules<Item, never>,
  'batchId' | 'customId' | 'fingerprint' | 'sizeOf' | 'tokens' | 'tokensPerMinute'
>

/** Names the items of one run of a batch, as they come. */
export class ItemReader<Item> {
  readonly #rules: ReaderRules<Item>
  /** Index of each custom id that came; absent where they are known to differ. */
  readonly #customIds: HashTable | undefined
  /** How often each content came without one. */
  readonly #contents: HashTable = new HashTable()

  constructor(rules: ReaderRules<Item>, idsDiffer: boolean) {
    this.#rules = rules
    this.#customIds = idsDiffer ? undefined : new HashTable()
  }

  /** @throws {RetrysafeError} `KEY_INVALID`, `CONFIG_INVALID`, `CALLBACK_FAILED`, each naming the item */
  read(item: Item, index: number): BatchItem<Item> {
    const { batchId, sizeOf, tokens, tokensPerMinute } = this.#rules
    const customId = this.#readCustomId(item, index)
    const fingerprint = this.#readFingerprint(item, index)
    const occurrence = customId === undefined ? this.#contents.count(fingerprint) : 1
    return {
      index,
      item,
      customId,
      key: batchItemKey(batchId, customId, fingerprint.toString('hex'), occurrence),
      fingerprint,
      sizeBytes: sizeOf === undefined ? 0 : amount('sizeOf', () => sizeOf(item), index),
      tokens: tokensPerMinute === undefined ? 0 : amount('tokens.estimate', () => tokens?.estimate(item) ?? 0, index),
    }
  }

  #readCustomId(item: Item, index: number): string | undefined {
    const { customId } = this.#rules
    const given = customId === undefined ? memberOf(item)?.id : called('customId', index, () => customId(item))
    if (given === undefined) return undefined
    if (typeof given !== 'string' || given === '' || /\p{Surrogate}/u.test(given))
      throw refusal('KEY_INVALID', index, 'its custom id is no text, or empty, or no well-formed Unicode')
    const first = this.#customIds?.put(hash('sha256', given, 'buffer'), index)
    if (first === undefined) return given
    const shown = JSON.stringify(given.slice(0, mostShown))
    throw refusal('KEY_INVALID', index, `its custom id ${shown} is that of item ${first}, too`)
  }

  #readFingerprint(item: Item, index: number): Buffer {
    const { fingerprint } = this.#rules
    const counted =
      fingerprint === undefined ? this.#meant(item) : called('fingerprint', index, () => fingerprint(item))
    if (fingerprint !== undefined && typeof counted === 'string' && /^[\da-f]{64}$/i.test(counted))
      return Buffer.from(counted, 'hex')
    const canonical = canonicalValue(counted, fingerprint === undefined ? 'item' : 'fingerprint')
    if (canonical.kind === 'canonical') return hash('sha256', canonical.bytes, 'buffer')
    const cure = 'say what counts of it: runBatch(items, { fingerprint: item => … })'
    const why = `${canonical.path} ${canonical.reason}, and cannot be compared; ${cure}`
    throw refusal('CONFIG_INVALID', index, why)
  }

  /** All of the item but the custom id that was found in it. */
  #meant(item: Item): unknown {
    const found = this.#rules.customId === undefined ? memberOf(item) : undefined
    if (found === undefined) return item
    const { [found.name]: _, ...meant } = item as Record<string, unknown>
    return meant
  }
}

/** The member that is an item's custom id, where nobody says which. */
function memberOf(item: unknown): { name: string; id: string } | undefined {
  if (typeof item !== 'object' || item === null || !isPlainObject(item)) return undefined
  for (const name of ['customId', 'custom_id']) {
    const id: unknown = Object.hasOwn(item, name) ? Reflect.get(item, name) : undefined
    if (typeof id === 'string') return { name, id }
  }
  return undefined
}

function amount(what: string, of: () => unknown, index: number): number {
  const given = called(what, index, of)
  if (typeof given === 'number' && given >= 0 && Number.isFinite(given)) return given
  throw refusal('CONFIG_INVALID', index, `${what} gave ${typeof given}; it takes a number from 0`)
}

function called<Answer>(what: string, index: number, of: () => Answer): Answer {
  try {
    return of()
  } catch (cause) {
    throw callbackFailed(`${what} (of item ${index})`, cause)
  }
}

function refusal(code: 'KEY_INVALID' | 'CONFIG_INVALID', index: number, why: string): RetrysafeError {
  return new RetrysafeError(code, `item ${index} of the batch: ${why}`)
}
