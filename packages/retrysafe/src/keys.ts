import { hash } from 'node:crypto'
import { RetrysafeError } from './engine/errors.ts'
import { processSurroundings } from './engine/surroundings.ts'
import { canonicalValue } from './fingerprint/canonical-value.ts'
import { uuidMaker } from './protocol/uuid.ts'

export { itemKey } from './engine/item-key.ts'

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
