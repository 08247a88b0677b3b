import { askText } from '../engine/callback.ts'
import { RetrysafeError } from '../engine/errors.ts'
import { processSurroundings } from '../engine/surroundings.ts'
import { readKey } from '../protocol/key.ts'
import { uuidMaker } from '../protocol/uuid.ts'
import { downstreamKey } from './downstream.ts'
import type { FetchRules } from './options.ts'
import type { Outgoing } from './outgoing.ts'

const drawKey = uuidMaker({ wallMs: processSurroundings.clock.wallMs, bytes: processSurroundings.random.bytes })

/**
 * The key of a call, as its header says it, and where it comes from: the header of the request, the key function, the
 * handler or function of ours that runs here, or chance.
 */
export interface CallKey {
  readonly key: string
  /** As it stands in the header. */
  readonly line: string
  /** Whether the same call would get it again. */
  readonly isNamed: boolean
}

/**
 * @returns `undefined` for a method that gets none
 * @throws {RetrysafeError} `KEY_INVALID`; `CALLBACK_FAILED`
 */
export async function readCallKey(rules: FetchRules, outgoing: Outgoing): Promise<CallKey | undefined> {
  const line = outgoing.headers.get(rules.keyHeader)
  if (line !== null) {
    const reading = readKey([line])
    if (reading.kind === 'key') return { key: reading.key, line, isNamed: true }
    throw new RetrysafeError(
      'KEY_INVALID',
      `${rules.keyHeader}: ${reading.kind === 'invalid' ? reading.reason : 'empty'}`,
    )
  }
  if (!rules.methods.has(outgoing.method)) return undefined
  const { key: name } = rules
  const named = name === undefined ? undefined : await askText('key', () => name(copyOf(outgoing)))
  if (named !== undefined) return { key: named, line: keyLine(named), isNamed: true }
  const derived = await downstreamKey(outgoing)
  if (derived !== undefined) return { key: derived, line: derived, isNamed: true }
  const drawn = drawKey()
  return { key: drawn, line: drawn, isNamed: false }
}

/** For functions of the developer's to read: nothing of it is sent. */
export function copyOf({ url, method, headers, body }: Outgoing): Request {
  return new Request(url, { method, headers, ...(body !== undefined && { body }) })
}

/** Quoted where it has to be (RFC 8941 §3.3.3). */
function keyLine(key: string): string {
  const line = /[",;\\]/.test(key) ? `"${key.replace(/["\\]/g, '\\$&')}"` : key
  const reading = readKey([line])
  if (reading.kind === 'key') return line
  const reason = reading.kind === 'invalid' ? reading.reason : 'the key is empty'
  throw new RetrysafeError(
    'KEY_INVALID',
    `what the key function gave is no key: ${reason}; contentKey() makes one of any value`,
  )
}
