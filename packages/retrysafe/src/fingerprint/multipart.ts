import { createHash, type Hash } from 'node:crypto'
import {
  canonicalParameters,
  lengthPrefixed,
  readParameters,
  splitParameters,
  trimSpaces,
} from './header-parameters.ts'
import { MultipartScanner, type PartSink } from './multipart-scanner.ts'

/** `digest` is SHA-256 of the canonical form; `reason` never quotes the body. */
export type CanonicalMultipart = { kind: 'canonical'; digest: Uint8Array } | { kind: 'broken'; reason: string }

/** RFC 2046 §5.1.1 */
const MAX_BOUNDARY_CHARACTERS = 70

/** @param parameters of the Content-Type, as sent */
export function readBoundary(parameters: string): { boundary: string } | { reason: string } {
  const all = readParameters(parameters)
  if (all === undefined) return { reason: 'the parameters of the content type are malformed' }
  const [first, second] = all.filter(({ name }) => name === 'boundary')
  if (first === undefined) return { reason: 'the content type names no boundary' }
  if (second !== undefined) return { reason: 'the content type names two boundaries' }
  const boundary = first.value
  if (!/^[ -~]*[!-~]$/.test(boundary)) return { reason: 'the boundary is empty, ends in a space or is not ASCII' }
  if (boundary.length > MAX_BOUNDARY_CHARACTERS) {
    return { reason: `the boundary is too long: ${boundary.length} characters > ${MAX_BOUNDARY_CHARACTERS}` }
  }
  return { boundary }
}

/**
 * One form for each list of parts, whatever the boundary between them. The order of the parts and their bytes count;
 * in their heads case of names, spaces, order of the fields, and the spelling of parameters do not. What stands before
 * the first boundary and after the last does not count (RFC 2046 §5.1.1). Parts that are multipart themselves count by
 * their bytes.
 *
 * @example
 * const multipart = new MultipartDigest('x')
 * multipart.write(Buffer.from('--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--'))
 * multipart.end() // { kind: 'canonical', digest }
 */
export class MultipartDigest {
  readonly #scanner: MultipartScanner
  readonly #hash = createHash('sha256')

  constructor(boundary: string) {
    this.#scanner = new MultipartScanner(boundary, new PartHash(this.#hash))
  }

  /** The next bytes of the body, cut anywhere. */
  write(chunk: Uint8Array): void {
    this.#scanner.write(chunk)
  }

  /** To be called once. */
  end(): CanonicalMultipart {
    const reason = this.#scanner.end()
    return reason === undefined ? { kind: 'canonical', digest: this.#hash.digest() } : { kind: 'broken', reason }
  }
}

/** Lengths stand behind what they measure, so that a part need not be there as a whole; read from the end, no field can spill. */
class PartHash implements PartSink {
  readonly #hash: Hash
  #bodyBytes = 0

  constructor(hash: Hash) {
    this.#hash = hash
  }

  head(bytes: Buffer): string | undefined {
    const head = canonicalHead(bytes.toString('latin1'))
    if (head === undefined) return 'a line in the head of a part is no header field'
    this.#hash.update(`${head}${length(head.length)}`, 'latin1')
    return undefined
  }

  body(bytes: Buffer): void {
    this.#hash.update(bytes)
    this.#bodyBytes += bytes.byteLength
  }

  end(): void {
    this.#hash.update(length(this.#bodyBytes))
    this.#bodyBytes = 0
  }
}

function length(bytes: number): string {
  return bytes.toString(16).padStart(16, '0')
}

const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)$/
/** A value, then parameters. */
const withParameters = new Set(['content-disposition', 'content-type'])

/** `undefined` when it is malformed. Bytes past ASCII, as in names of files, stay as they are. */
function canonicalHead(head: string): string | undefined {
  if (head === '') return ''
  const fields: { name: string; value: string }[] = []
  for (const line of head.split('\r\n')) {
    const [, name, value] = field.exec(line) ?? []
    if (name === undefined || value === undefined) return undefined
    fields.push({ name: name.toLowerCase(), value: trimSpaces(value) })
  }
  return fields
    .sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0))
    .map(
      ({ name, value }) =>
        lengthPrefixed(name) + lengthPrefixed(withParameters.has(name) ? canonicalValue(value) : value),
    )
    .join('')
}

function canonicalValue(value: string): string {
  const { first, parameters } = splitParameters(value)
  return lengthPrefixed(first.toLowerCase()) + canonicalParameters(parameters)
}
