import { FlagError } from './flag.ts'

/** A path whose segments are exact, or `*` for any one segment that is not empty; `**` at its end is whatever follows. */
export interface PathPattern {
  readonly text: string
  readonly segments: readonly string[]
}

const maxLength = 1_024
const maxSegments = 64

/**
 * Reads a pattern; case counts, and percent signs are not looked into, as everywhere with paths.
 *
 * @example
 * readPattern('/openai/v1/chat/*')
 */
export function readPattern(text: string): PathPattern {
  if (!text.startsWith('/')) throw new FlagError('it takes a path that begins with /, such as /openai/v1/chat/*')
  if (text.length > maxLength) throw new FlagError(`it takes at most ${maxLength} characters`)
  if (/[^!-~]|[\\?#]/.test(text)) {
    throw new FlagError('it takes a path without query, in visible ASCII, as clients send it')
  }
  const segments = text.slice(1).split('/')
  if (segments.length > maxSegments) throw new FlagError(`it takes at most ${maxSegments} segments`)
  for (const [at, segment] of segments.entries()) checkSegment(segment, at === segments.length - 1)
  return { text, segments }
}

function checkSegment(segment: string, isLast: boolean): void {
  if (segment === '' && !isLast) throw new FlagError('it takes a path without an empty segment (//)')
  if (/^(?:\.|%2e){1,2}$/i.test(segment))
    throw new FlagError('it takes a path without dot segments: none is ever served')
  if (segment === '**' && !isLast) throw new FlagError('it takes ** only at the end, for whatever follows')
  if (segment.includes('*') && segment !== '*' && segment !== '**') {
    throw new FlagError('it takes * only for a whole segment, and ** only at the end')
  }
}

/** Whether there is a path that both match. */
export function overlap({ segments: one }: PathPattern, { segments: other }: PathPattern): boolean {
  for (let at = 0; ; at++) {
    const [left, right] = [one[at], other[at]]
    if (left === '**' || right === '**') return true
    if (left === undefined || right === undefined) return left === right
    if (left !== right && !(left === '*' ? right !== '' : right === '*' && left !== '')) return false
  }
}

/** Whether every path that `inner` matches is one that `outer` matches. */
export function covers({ segments: outer }: PathPattern, { segments: inner }: PathPattern): boolean {
  for (let at = 0; ; at++) {
    const [left, right] = [outer[at], inner[at]]
    if (left === '**') return true
    if (left === undefined || right === undefined) return left === right
    if (right === '**') return false
    if (left !== right && (left !== '*' || right === '')) return false
  }
}

interface Node<Value> {
  readonly exact: Map<string, Node<Value>>
  any: Node<Value> | undefined
  end: { value: Value } | undefined
  rest: { value: Value } | undefined
}

/** Finds what stands for a path: of the patterns that match it, the one that all others cover. */
export class PathTable<Value> {
  readonly #root: Node<Value> = emptyNode()

  /** Of any two patterns that overlap, one must cover the other: then the way that is tried first is the narrowest. */
  constructor(entries: Iterable<readonly [PathPattern, Value]>) {
    for (const [{ segments }, value] of entries) {
      let node = this.#root
      for (const segment of segments.at(-1) === '**' ? segments.slice(0, -1) : segments) node = step(node, segment)
      if (segments.at(-1) === '**') node.rest = { value }
      else node.end = { value }
    }
  }

  find(path: string): Value | undefined {
    return search(this.#root, path.slice(1).split('/', maxSegments + 1), 0)?.value
  }
}

/** Goes to no node twice. */
function search<Value>(node: Node<Value>, segments: readonly string[], at: number): { value: Value } | undefined {
  const segment = segments[at]
  if (segment === undefined) return node.end ?? node.rest
  const exact = node.exact.get(segment)
  const found = exact && search(exact, segments, at + 1)
  if (found !== undefined) return found
  const any = node.any === undefined || segment === '' ? undefined : search(node.any, segments, at + 1)
  return any ?? node.rest
}

function step<Value>(node: Node<Value>, segment: string): Node<Value> {
  if (segment === '*') {
    node.any ??= emptyNode()
    return node.any
  }
  const next = node.exact.get(segment) ?? emptyNode<Value>()
  node.exact.set(segment, next)
  return next
}

function emptyNode<Value>(): Node<Value> {
  return { exact: new Map(), any: undefined, end: undefined, rest: undefined }
}
