import { hash } from 'node:crypto'
import { RetrysafeError } from './engine/errors.ts'
import { processSurroundings } from './engine/surroundings.ts'
import { canonicalValue } from './fingerprint/canonical-value.ts'
import { maxKeyLength } from './protocol/key.ts'
import { uuidMaker } from './protocol/uuid.ts'

const { clock, random } = processSurroundings
const makeUuid = uuidMaker({ wallMs: clock.wallMs, bytes: random.bytes })

/**
 * A new key: a UUIDv7. Keys of one process sort in the order in which they were made, also when its clock is set back.
 * Make one for each thing that is to happen, not for each attempt at it.
 *
 * @see RFC 9562 §5.7
 * @example
 * uuidKey() // '019a1c5e-6f2b-7c41-9d3e-2f8a54b7e610'
 */
export function uuidKey(): string {
  return makeUuid()
}

/**
 * The key of a content: 64 hexadecimal characters, SHA-256 over lossless canonical JSON. Equal values have equal keys,
 * whatever the order of their members, and no two others do; so two users who ask for the same share a key, unless a
 * tenant keeps them apart. Of a value that JSON has, other languages can make the same key: RFC 8785 does.
 *
 * @param value also with `undefined`, BigInt, Date, Map, Set and bytes in it
 * @throws {RetrysafeError} `KEY_INVALID`, naming the path of a function, a symbol, a cycle or an instance of a class
 * @example
 * await contentKey({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] })
 */
export async function contentKey(value: unknown): Promise<string> {
  const canonical = canonicalValue(value, 'value')
  if (canonical.kind === 'canonical') return hash('sha256', canonical.bytes, 'hex')
  throw new RetrysafeError('KEY_INVALID', `contentKey: ${canonical.path} ${canonical.reason}; it has no canonical form`)
}

/**
 * The key of one item of a batch: the same whenever the batch is run again. Both names can be read in it, and no choice
 * of names makes two items look like one. Where it would be longer than 255 characters it is a hash of both.
 *
 * @throws {RetrysafeError} `KEY_INVALID` for an empty name, or one that is no well-formed Unicode
 * @example
 * itemKey('nightly-2024-05-01', 'doc 7') // 'nightly-2024-05-01:doc%207'
 */
export function itemKey(batch: string, customId: string): string {
  const key = `${escaped('batch', batch)}:${escaped('customId', customId)}`
  // Without a colon: equal to no readable one.
  return key.length <= maxKeyLength ? key : `item-${hash('sha256', key, 'hex')}`
}

function escaped(what: string, name: string): string {
  if (typeof name !== 'string' || name === '' || /\p{Surrogate}/u.test(name))
    throw new RetrysafeError('KEY_INVALID', `itemKey: ${what} takes a text that is not empty, well-formed Unicode`)
  return encodeURIComponent(name)
}
