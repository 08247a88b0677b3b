import type { RecordView, StoreKey } from '../engine/record.ts'
import type { Store } from '../engine/store.ts'
import { lapsed, type ModelRecord } from './model-record.ts'
import { walkStepIds } from './walk-step.ts'

/** All of one record that anybody can see; what its state leaves to the store is `undefined`. */
export interface Sight {
  readonly state: string
  readonly fence: number | undefined
  readonly attempt: number | undefined
  readonly maxAttempts: number | undefined
  readonly onCrash: string | undefined
  readonly sent: boolean | undefined
  readonly claimedAtMs: number | undefined
  readonly completedAtMs: number | undefined
  readonly leaseLeftMs: number | undefined
  readonly expiresAtMs: number | undefined
  readonly lengthBytes: number | undefined
  readonly stepCount: number | undefined
  readonly log: ReadEnd
  /** What a reader of an older generation is told. */
  readonly oldLog: ReadEnd
  /** Values as latin-1 text. */
  readonly steps: readonly (string | undefined)[]
}

/** The last answer of a reader that asks until nothing more comes, with all its bytes as latin-1 text. */
type ReadEnd =
  | { kind: 'bytes'; bytes: string; lengthBytes: number; sealed: boolean; lapsed: boolean }
  | { kind: 'ended'; state: string; cooldownMs: number }

const readBytes = 1_024

/** As the store shows it. */
export async function seenOf(store: Store, key: StoreKey, view: RecordView | undefined): Promise<Sight> {
  const steps: (string | undefined)[] = []
  for (const id of walkStepIds) {
    const step = await store.stepGet(key, id)
    steps.push(step.kind === 'exists' ? latin1(step.value) : undefined)
  }
  const buried = view?.state === 'purged'
  return {
    state: view?.state ?? 'absent',
    fence: view?.fence,
    attempt: buried ? undefined : view?.attempt,
    maxAttempts: buried ? undefined : view?.maxAttempts,
    onCrash: buried ? undefined : view?.onCrash,
    sent: view?.state === 'running' ? view.sent : undefined,
    claimedAtMs: buried ? undefined : view?.claimedAtMs,
    completedAtMs: buried ? undefined : view?.completedAtMs,
    leaseLeftMs: view?.leaseLeftMs,
    expiresAtMs: view?.expiresAtMs,
    lengthBytes: view?.lengthBytes,
    stepCount: view?.steps,
    log: await readOf(store, key, view?.fence ?? 1),
    oldLog: await readOf(store, key, (view?.fence ?? 2) - 1),
    steps,
  }
}

async function readOf(store: Store, key: StoreKey, fence: number): Promise<ReadEnd> {
  let bytes = ''
  for (;;) {
    const answer = await store.read(key, fence, bytes.length, readBytes)
    if (answer.kind === 'ended') return answer
    if (answer.bytes.byteLength === 0) return { ...answer, bytes }
    bytes += latin1(answer.bytes)
    if (bytes.length > answer.lengthBytes) return { ...answer, bytes }
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** As the model has it. */
export function sightOf(record: ModelRecord | undefined, nowMs: number): Sight {
  const buried = record?.state === 'purged'
  const running = record?.state === 'running'
  return {
    state: record?.state ?? 'absent',
    fence: record?.token.fence,
    attempt: buried ? undefined : record?.attempt,
    maxAttempts: buried ? undefined : record?.cap,
    onCrash: buried ? undefined : record?.policy,
    sent: running ? record.sent : undefined,
    claimedAtMs: buried ? undefined : record?.claimedAtMs,
    completedAtMs: buried ? undefined : record?.completedAtMs,
    leaseLeftMs: running ? record.leaseEndMs - nowMs : undefined,
    expiresAtMs: record?.endMs,
    lengthBytes: record?.log.length,
    stepCount: record?.steps.size,
    log: logOf(record, nowMs),
    oldLog: endOf(record, nowMs),
    steps: walkStepIds.map(id => record?.steps.get(id)?.value),
  }
}

function logOf(record: ModelRecord | undefined, nowMs: number): ReadEnd {
  if (record?.state !== 'running' && record?.state !== 'completed') return endOf(record, nowMs)
  const sealed = record.state === 'completed'
  const bytes = record.log
  return { kind: 'bytes', bytes, lengthBytes: bytes.length, sealed, lapsed: !sealed && lapsed(record, nowMs) }
}

function endOf(record: ModelRecord | undefined, nowMs: number): ReadEnd {
  if (record === undefined) return { kind: 'ended', state: 'absent', cooldownMs: 0 }
  const cooldownMs = record.state === 'open' ? Math.max(0, record.coolUntilMs - nowMs) : 0
  return { kind: 'ended', state: record.state, cooldownMs }
}
