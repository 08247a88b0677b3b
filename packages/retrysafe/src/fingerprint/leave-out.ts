import { canonicalJson } from './json.ts'
import { ARRAY_END, ARRAY_START, BACKSLASH, COLON, COMMA, OBJECT_END, OBJECT_START, QUOTE } from './json-scanner.ts'

/** Members of JSON documents that do not count, compiled from JSON pointers. */
export interface LeaveOut {
  readonly children: ReadonlyMap<string, LeaveOut>
  /** A pointer ends here. */
  readonly isEnd: boolean
}

interface Node extends LeaveOut {
  readonly children: Map<string, Node>
  isEnd: boolean
}

/** Most pointers in one list. */
export const MAX_POINTERS = 100
/** Most steps of one pointer. */
export const MAX_POINTER_STEPS = 100

/**
 * Compiles JSON pointers (RFC 6901) to the members of objects that do not count. A pointer may lead through elements of
 * arrays (`/messages/0/id`), but what it ends at must be a member: an element of an array always counts, since without
 * it the others would change places. What is not there is no error, `-` included.
 *
 * @param pointers at most `MAX_POINTERS`, of at most `MAX_POINTER_STEPS` steps each
 * @returns `invalid`, with what is wrong, for pointers that are none and for `''`, the whole document
 * @example
 * compileLeaveOut(['/metadata/trace_id', '/user'])
 */
export function compileLeaveOut(
  pointers: readonly string[],
): { kind: 'compiled'; leaveOut: LeaveOut } | { kind: 'invalid'; reason: string } {
  const root: Node = { children: new Map(), isEnd: false }
  if (pointers.length > MAX_POINTERS) {
    return { kind: 'invalid', reason: `${pointers.length} JSON pointers > ${MAX_POINTERS} (MAX_POINTERS)` }
  }
  for (const pointer of pointers) {
    const named = `JSON pointer ${JSON.stringify(pointer)}`
    if (pointer === '')
      return { kind: 'invalid', reason: `${named} is the whole document: only members can be left out` }
    if (!pointer.startsWith('/')) return { kind: 'invalid', reason: `${named} does not begin with /` }
    if (/~(?![01])/.test(pointer)) return { kind: 'invalid', reason: `${named} holds a ~ that is neither ~0 nor ~1` }
    const steps = pointer.slice(1).split('/')
    if (steps.length > MAX_POINTER_STEPS) {
      return {
        kind: 'invalid',
        reason: `${named} has ${steps.length} steps > ${MAX_POINTER_STEPS} (MAX_POINTER_STEPS)`,
      }
    }
    addPointer(root, steps)
  }
  return { kind: 'compiled', leaveOut: root }
}

function addPointer(root: Node, steps: readonly string[]): void {
  let node = root
  for (const step of steps) {
    const name = canonicalName(step.replaceAll('~1', '/').replaceAll('~0', '~'))
    const child = node.children.get(name) ?? { children: new Map(), isEnd: false }
    node.children.set(name, child)
    node = child
  }
  node.isEnd = true
}

/** As the name of a member stands in a canonical document, its bytes as Latin-1. */
function canonicalName(name: string): string {
  const canonical = canonicalJson(Buffer.from(JSON.stringify(name)))
  return canonical.kind === 'canonical' ? latin1(canonical.bytes, 1, canonical.bytes.byteLength - 1) : name
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end)
}

/** A pass over a canonical document that moves what counts over what does not. */
interface Pruning {
  readonly bytes: Uint8Array
  offset: number
  length: number
}

/**
 * A canonical document without the members that are left out, all of that name.
 *
 * @param bytes from `canonicalJson`; overwritten
 * @returns a part of `bytes`
 */
export function withoutMembers(bytes: Uint8Array, leaveOut: LeaveOut): Uint8Array {
  const pruning: Pruning = { bytes, offset: 0, length: 0 }
  pruneValue(pruning, leaveOut)
  return bytes.subarray(0, pruning.length)
}

/** As deep as the pointers have steps, whatever the document. */
function pruneValue(pruning: Pruning, node: LeaveOut): void {
  const first = pruning.bytes[pruning.offset]
  if (node.children.size === 0) keep(pruning, endOfValue(pruning.bytes, pruning.offset))
  else if (first === OBJECT_START) pruneObject(pruning, node)
  else if (first === ARRAY_START) pruneArray(pruning, node)
  else keep(pruning, endOfValue(pruning.bytes, pruning.offset))
}

function pruneObject(pruning: Pruning, node: LeaveOut): void {
  const { bytes } = pruning
  keep(pruning, pruning.offset + 1)
  const begin = pruning.length
  while (bytes[pruning.offset] !== OBJECT_END) {
    if (bytes[pruning.offset] === COMMA) pruning.offset++
    const nameEnd = endOfString(bytes, pruning.offset)
    const child = node.children.get(latin1(bytes, pruning.offset + 1, nameEnd - 1))
    if (child?.isEnd) {
      pruning.offset = endOfValue(bytes, nameEnd + 1)
      continue
    }
    if (pruning.length > begin) bytes[pruning.length++] = COMMA
    keep(pruning, nameEnd + 1)
    if (child === undefined) keep(pruning, endOfValue(bytes, pruning.offset))
    else pruneValue(pruning, child)
  }
  keep(pruning, pruning.offset + 1)
}

function pruneArray(pruning: Pruning, node: LeaveOut): void {
  const { bytes } = pruning
  keep(pruning, pruning.offset + 1)
  for (let index = 0; bytes[pruning.offset] !== ARRAY_END; index++) {
    if (bytes[pruning.offset] === COMMA) keep(pruning, pruning.offset + 1)
    const child = node.children.get(String(index))
    if (child === undefined) keep(pruning, endOfValue(bytes, pruning.offset))
    else pruneValue(pruning, child)
  }
  keep(pruning, pruning.offset + 1)
}

function keep(pruning: Pruning, end: number): void {
  const { bytes, offset, length } = pruning
  if (length !== offset) bytes.copyWithin(length, offset, end)
  pruning.length = length + end - offset
  pruning.offset = end
}

/** Behind the value that begins at `start`. */
function endOfValue(bytes: Uint8Array, start: number): number {
  let depth = 0
  let at = start
  do {
    const byte = bytes[at]
    if (byte === QUOTE) at = endOfString(bytes, at)
    else {
      if (byte === OBJECT_START || byte === ARRAY_START) depth++
      else if (byte === OBJECT_END || byte === ARRAY_END) depth--
      at++
    }
  } while (at < bytes.byteLength && (depth > 0 || !isAfterValue(bytes[at])))
  return at
}

/** Behind a value outside of all others comes only what ends it; a number or word goes on until then. */
function isAfterValue(byte: number | undefined): boolean {
  return byte === COMMA || byte === OBJECT_END || byte === ARRAY_END || byte === COLON
}

function endOfString(bytes: Uint8Array, start: number): number {
  let at = start + 1
  while (bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at + 1
}
