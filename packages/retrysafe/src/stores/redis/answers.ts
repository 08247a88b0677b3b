import { RetrysafeError } from '../../engine/errors.ts'
import type { RecordState, RecordView, StoreKey, Token } from '../../engine/record.ts'
import type { ClaimAnswer, ClaimTerms, ReadAnswer } from '../../engine/store.ts'
import type { RedisArgument } from './link.ts'
import type { LiveAttempt } from './live-attempts.ts'

const states: Readonly<Record<string, RecordState>> = {
  r: 'running',
  o: 'open',
  c: 'completed',
  u: 'unknown',
  p: 'purged',
}

function stateOf(letter: string): RecordState {
  const state = states[letter]
  if (state === undefined) throw new RangeError(`a record in state ${letter}`)
  return state
}

/** Names go as they are: a command without a Buffer costs a client half, and packed they would save 25 bytes a record. */
export function fingerprintArgument(fingerprint: string | undefined): string {
  return fingerprint ?? ''
}

export function tokenArguments({ fence, owner }: Token): [fence: string, owner: string] {
  return [String(fence), owner]
}

/** In place, never copied. */
export function bytesArgument(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The arguments of `claim`, but for the last three. */
export function claimArguments(terms: ClaimTerms): RedisArgument[] {
  return [
    fingerprintArgument(terms.raw),
    fingerprintArgument(terms.canonical),
    terms.owner,
    String(terms.leaseMs),
    String(terms.retentionMs),
    terms.onCrash.slice(0, 1),
    String(terms.maxAttempts),
    labelText(terms.label),
  ]
}

/** The arguments of `restore`. */
export function restoreArguments(token: Token, { terms, attempt }: LiveAttempt): RedisArgument[] {
  const [raw, canonical, , leaseMs, retentionMs, onCrash, maxAttempts, label] = claimArguments(terms)
  const all = [leaseMs, raw, canonical, retentionMs, onCrash, maxAttempts, String(attempt), label]
  return [...tokenArguments(token), ...all.map(argument => argument ?? '')]
}

/** Of JSON; three bytes each at most. */
const mostLabel = 16_384

/** Without names: there are as many labels as records. */
function labelText({ key, operation, tenant, method, path }: RecordView['label']): string {
  const text = JSON.stringify([key ?? 0, operation, tenant, method ?? 0, path ?? 0])
  // The header counts to 65,535.
  if (text.length > mostLabel)
    throw new RetrysafeError('REQUEST_INVALID', `a record's label takes at most ${mostLabel} characters in Redis`)
  return text
}

function labelOf(text: string): RecordView['label'] {
  const [key, operation, tenant, method, path] = JSON.parse(text) as (string | 0)[]
  return {
    ...(typeof key === 'string' && { key }),
    operation: String(operation),
    tenant: String(tenant),
    ...(typeof method === 'string' && { method }),
    ...(typeof path === 'string' && { path }),
  }
}

/** What a script answers as a list: texts come as Buffers, and numbers, from some clients, as texts. */
export class Reply {
  readonly #items: readonly unknown[]

  constructor(reply: unknown) {
    this.#items = Array.isArray(reply) ? reply : [reply]
  }

  get size(): number {
    return this.#items.length
  }

  text(at: number): string {
    return String(this.#items[at])
  }

  number(at: number): number {
    const item = this.#items[at]
    return typeof item === 'number' ? item : Number(String(item))
  }

  bytes(at: number): Buffer {
    const item = this.#items[at]
    return Buffer.isBuffer(item) ? item : Buffer.from(String(item))
  }
}

/** `list`: would become unknown, and must be in the index before. */
export function claimAnswer(reply: Reply, owner: string): ClaimAnswer | { kind: 'list' } {
  const kind = reply.text(0)
  switch (kind) {
    case 'a': {
      const onCrash = reply.number(4) === 1 ? 'fail' : 'rerun'
      const token = { fence: reply.number(1), owner }
      return { kind: 'acquired', token, attempt: reply.number(2), sent: reply.number(3) === 1, onCrash }
    }
    case 'c': {
      const log = { lengthBytes: reply.number(4), ...(reply.size > 5 && { bytes: reply.bytes(5) }) }
      return { kind: 'completed', fence: reply.number(1), ageMs: reply.number(2), expiresAtMs: reply.number(3), log }
    }
    case 'r':
      return { kind: 'running', fence: reply.number(1), leaseLeftMs: reply.number(2), lengthBytes: reply.number(3) }
    case 'm':
      return { kind: 'mismatch' }
    case 'd':
      return { kind: 'undecided', fence: reply.number(1) }
    case 'u':
      return { kind: 'unknown', attempt: reply.number(1) }
    case 'w':
      return { kind: 'cooling', leftMs: reply.number(1), fence: reply.number(2) }
    case 'l':
      return { kind: 'list' }
    default:
      throw new RangeError(`claim answered ${kind}`)
  }
}

export function readAnswer(reply: Reply): ReadAnswer {
  if (reply.text(0) === 'e') {
    const letter = reply.text(1)
    return { kind: 'ended', state: letter === 'x' ? 'absent' : stateOf(letter), cooldownMs: reply.number(2) }
  }
  return {
    kind: 'bytes',
    lengthBytes: reply.number(1),
    sealed: reply.number(2) === 1,
    lapsed: reply.number(3) === 1,
    bytes: reply.bytes(4),
  }
}

export function viewOf(id: StoreKey, reply: Reply): RecordView | undefined {
  if (reply.size === 0) return undefined
  const state = stateOf(reply.text(0))
  const completedAtMs = reply.number(7)
  return {
    id,
    state,
    fence: reply.number(1),
    attempt: reply.number(2),
    maxAttempts: reply.number(3),
    onCrash: reply.number(4) === 1 ? 'fail' : 'rerun',
    sent: reply.number(5) === 1,
    label: labelOf(reply.text(12)),
    claimedAtMs: reply.number(6),
    ...(completedAtMs > 0 && { completedAtMs }),
    ...(state === 'running' && { leaseLeftMs: reply.number(8) }),
    expiresAtMs: reply.number(9),
    lengthBytes: reply.number(10),
    steps: reply.number(11),
  }
}
