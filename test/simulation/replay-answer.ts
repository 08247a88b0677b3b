import type { StoreKey } from '../../packages/retrysafe/src/engine/record.ts'
import { plain } from '../../packages/retrysafe/src/store-testkit/assertions.ts'
import type { StepRequest } from './recorded-steps.ts'
import type { ReplayNames } from './replay-names.ts'

/** What a store may answer as it likes, beyond what the contract leaves to all of them. */
export interface Leeway {
  /** Whether a record is followed: a mark may outlive who left it; of another process it comes only after a while. */
  readonly followed: 'exact' | 'lingers' | 'open'
  /** How many records a sweep removes: its index may lag behind by a lease. */
  readonly sweep: 'exact' | 'open'
  /** When an open record ends: where a lost record may come back, one that stands for a tombstone lives longer. */
  readonly openEnds?: 'exact' | 'later'
}

/** The record that a request is about. */
export function keyOf(request: StepRequest): StoreKey | undefined {
  switch (request.name) {
    case 'claim':
      return request.args[0].key
    case 'renew':
    case 'append':
    case 'complete':
    case 'release':
    case 'read':
    case 'cancel':
    case 'resolve':
    case 'purge':
    case 'get':
    case 'subscribe':
      return request.args[0]
    case 'unsubscribe':
    case 'sweep':
    case 'metaInit':
    case 'list':
    case 'unknown':
    case 'counters':
    case 'now':
      return undefined
  }
}

/** A recorded answer and the one that came in the replay, as the contract lets them be compared; bytes as text. */
export interface ComparedAnswers {
  readonly expected: unknown
  readonly actual: unknown
}

export function comparable(
  request: StepRequest,
  recorded: unknown,
  answer: unknown,
  names: ReplayNames,
  leeway: Leeway,
): ComparedAnswers {
  const expected = withoutChoice(request, renamed(plain(recorded), keyOf(request), names), leeway)
  const actual = withoutChoice(request, plain(answer), leeway)
  switch (request.name) {
    case 'read':
      return cutAlike(expected, actual)
    case 'renew':
    case 'append': {
      const isOpen = leeway.followed === 'open' || (leeway.followed === 'lingers' && !isFollowed(expected))
      return isOpen
        ? { expected: without(expected, ['followed']), actual: without(actual, ['followed']) }
        : { expected, actual }
    }
    default:
      return { expected, actual }
  }
}

function isFollowed(answer: unknown): boolean {
  return isTree(answer) && answer.followed === true
}

/** A read may end anywhere but at its beginning. */
function cutAlike(expected: unknown, actual: unknown): ComparedAnswers {
  if (!isTree(expected) || !isTree(actual)) return { expected, actual }
  const { bytes: all } = expected
  const { bytes: found } = actual
  if (typeof all !== 'string' || typeof found !== 'string') return { expected, actual }
  const length = Math.min(all.length, found.length)
  if (length === 0) return { expected, actual }
  return {
    expected: { ...expected, bytes: all.slice(0, length) },
    actual: { ...actual, bytes: found.slice(0, length) },
  }
}

function renamed(value: unknown, key: StoreKey | undefined, names: ReplayNames): unknown {
  if (Array.isArray(value)) return value.map(member => renamed(member, key, names))
  if (!isTree(value)) return value
  const of = 'id' in value ? (value.id as StoreKey) : key
  const entries = Object.entries(value).map(([name, member]) => {
    if (name === 'id') return [name, names.key(member as StoreKey)]
    if (name === 'fence' && of !== undefined) return [name, names.fence(of, Number(member))]
    return [name, renamed(member, of, names)]
  })
  return Object.fromEntries(entries)
}

function withoutChoice(request: StepRequest, answer: unknown, leeway: Leeway): unknown {
  switch (request.name) {
    case 'sweep': {
      const isBounded = typeof answer === 'number' && answer >= 0 && answer <= request.args[0]
      return leeway.sweep === 'open' && isBounded ? 'within its limit' : answer
    }
    case 'get':
      return withoutLeftOver(answer, leeway)
    case 'list':
    case 'unknown':
      return isTree(answer) && Array.isArray(answer.records)
        ? { ...answer, records: inOrder(answer.records, leeway) }
        : answer
    default:
      return answer
  }
}

/** Pages come in an order of the store's own. */
function inOrder(records: readonly unknown[], leeway: Leeway): unknown[] {
  const id = (record: unknown): string => (isTree(record) ? String(record.id) : '')
  return records.map(record => withoutLeftOver(record, leeway)).sort((a, b) => (id(a) < id(b) ? -1 : 1))
}

/** A record's state leaves some of what is shown of it to the store, as in the kit. */
function withoutLeftOver(view: unknown, { openEnds }: Leeway): unknown {
  if (!isTree(view)) return view
  switch (view.state) {
    case 'running':
      return view
    case 'purged':
      // Of owners whose record has expired a store may or may not remember; with it, whether a tombstone stays.
      if (openEnds === 'later') return undefined
      return without(view, ['sent', 'attempt', 'maxAttempts', 'onCrash', 'claimedAtMs', 'label'])
    case 'open':
      return without(view, openEnds === 'later' ? ['sent', 'expiresAtMs'] : ['sent'])
    default:
      return without(view, ['sent'])
  }
}

function without(value: unknown, names: readonly string[]): unknown {
  if (!isTree(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)))
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
