import { createHash } from 'node:crypto'
import { passingCanonicalJson } from '../../fingerprint/json.ts'
import type { BatchLine } from './batch-line.ts'
import { findMember, type MemberRange, textAt, visitMembers } from './json-ranges.ts'
import type { JsonlLine } from './jsonl-lines.ts'

/** Longest `custom_id`, in UTF-16 units. */
const maxCustomIdLength = 512
const maxUrlLength = 8_192
const known = ['custom_id', 'method', 'url', 'body'] as const
type Known = (typeof known)[number]

const quote = 0x22
const objectStart = 0x7b

/** What a line of the input turned out to be. `unknown` names a member that a batch has no use for. */
export type InputLine =
  | { readonly kind: 'item'; readonly line: BatchLine; readonly unknown: string | undefined }
  | { readonly kind: 'bad'; readonly reason: string }

class BadLine extends Error {}

/**
 * Reads one line: `{"custom_id": …, "method": "POST", "url": "/v1/…", "body": {…}}`.
 *
 * The body is not parsed and written anew: that would turn 9007199254740993 into another number, and take away one of
 * two members of one name. Its bytes stay as they stand; only its fingerprint goes by value.
 *
 * @returns a line whose `body` is a part of `bytes`: to be copied (`ownLine`) before the next one is read
 */
export function readInputLine({ lineNumber, bytes, isEnded }: JsonlLine): InputLine {
  try {
    return readItem(lineNumber, bytes)
  } catch (error) {
    if (!(error instanceof BadLine)) throw error
    const isTorn = !isEnded && error.message.startsWith('it is no JSON')
    return { kind: 'bad', reason: isTorn ? `${error.message}; the file seems to be cut off here` : error.message }
  }
}

/** The same line with a body of its own. */
export function ownLine(line: BatchLine): BatchLine {
  return { ...line, body: new Uint8Array(line.body) }
}

function readItem(lineNumber: number, bytes: Uint8Array): InputLine {
  const canonical = passingCanonicalJson(bytes)
  if (canonical.kind === 'invalid') {
    throw new BadLine(`it is no JSON: ${canonical.reason}, at byte ${canonical.offsetBytes + 1} of the line`)
  }
  if (canonical.bytes[0] !== objectStart) throw new BadLine('it takes an object on each line')
  const { named, unknown } = knownMembers(canonical.bytes)
  const customId = readCustomId(textOf('custom_id', canonical.bytes, named.get('custom_id')))
  const method = textOf('method', canonical.bytes, named.get('method'))
  // What only reads is not worth a key, and no API has a PUT or DELETE that makes a model run.
  if (method !== 'POST') throw new BadLine(`method takes "POST", not ${shown(method)}`)
  const url = readUrl(textOf('url', canonical.bytes, named.get('url')))
  const body = named.get('body')
  if (body === undefined) throw new BadLine('body is missing')
  if (canonical.bytes[body.start] !== objectStart) throw new BadLine('body takes an object')
  const value = canonical.bytes.subarray(body.start, body.end)
  const fingerprint = createHash('sha256').update(`${method} ${url.length}:${url};`).update(value).digest('hex')
  const model = readBody(value)
  // The same member in the line as it was written: there is one, the canonical form showed it.
  const raw = findMember(bytes, 0, 'body')
  if (raw === undefined) throw new BadLine('body is missing')
  const sizeBytes = bytes.length
  const own = { lineNumber, customId, method, url, model, fingerprint, sizeBytes }
  return { kind: 'item', line: { ...own, body: bytes.subarray(raw.start, raw.end) }, unknown }
}

function knownMembers(line: Uint8Array): { named: Map<Known, MemberRange>; unknown: string | undefined } {
  const named = new Map<Known, MemberRange>()
  let unknown: string | undefined
  visitMembers(line, 0, (given, range) => {
    const name = known.find(each => each === given)
    if (name === undefined) unknown ??= given
    else if (named.has(name)) throw new BadLine(`${name} stands there twice`)
    else named.set(name, range)
  })
  return { named, unknown }
}

function textOf(name: Known, line: Uint8Array, range: MemberRange | undefined): string {
  if (range === undefined) throw new BadLine(`${name} is missing`)
  if (line[range.start] !== quote) throw new BadLine(`${name} takes a string`)
  return textAt(line, range.start, range.end)
}

function readCustomId(customId: string): string {
  if (customId === '') throw new BadLine('custom_id is empty')
  if (customId.length > maxCustomIdLength) {
    throw new BadLine(`custom_id is too long: ${customId.length} characters > ${maxCustomIdLength}`)
  }
  if (/\p{Surrogate}/u.test(customId)) throw new BadLine('custom_id is no well-formed Unicode')
  return customId
}

/** Where it is sent is the base URL's alone to say: a line that names a host, or climbs out of its path, is refused. */
function readUrl(url: string): string {
  if (/^[a-z][a-z\d+.-]*:/i.test(url) || url.startsWith('//')) {
    throw new BadLine('url takes a path such as "/v1/chat/completions": the host comes from the base URL')
  }
  if (!url.startsWith('/')) throw new BadLine('url takes a path that begins with "/"')
  if (url.length > maxUrlLength) throw new BadLine(`url is too long: ${url.length} characters > ${maxUrlLength}`)
  if (!/^[!-~]*$/.test(url) || /[\\#]/.test(url)) {
    throw new BadLine('url takes printable ASCII without spaces, "\\" and "#"; write anything else as %XX')
  }
  const path = url.split('?', 1)[0] ?? ''
  if (path.includes('//')) throw new BadLine('url has an empty step ("//") in its path')
  const steps = path.replace(/%2e/gi, '.').split('/')
  if (steps.includes('.') || steps.includes('..')) throw new BadLine('url has a "." or ".." step in its path')
  return url
}

/** @returns its model; of several the last, as parsers have it */
function readBody(body: Uint8Array): string | undefined {
  let model: string | undefined
  visitMembers(body, 0, (name, { start, end }) => {
    if (name === 'model') model = body[start] === quote ? textAt(body, start, end) : undefined
    // `t`: canonical JSON has no space before a value.
    if (name === 'stream' && body[start] === 0x74) throw new BadLine('body has "stream": true: a batch has no streams')
  })
  return model
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
