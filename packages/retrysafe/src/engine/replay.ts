import type { Surroundings } from './clock.ts'
import { type Follower, followStored } from './follower.ts'
import { decodeHead, type OutcomeHead } from './outcome.ts'
import type { StoreKey } from './record.ts'
import type { ClaimAnswer, Store } from './store.ts'

/** An outcome that is there: whole when it is small, else to be read piece by piece. */
export interface Replay {
  readonly head: OutcomeHead
  /** Length of the body. */
  readonly lengthBytes: number
  /** Whole milliseconds since completion, on the store's clock. */
  readonly ageMs: number
  readonly fence: number
  readonly body: { kind: 'whole'; bytes: Uint8Array } | { kind: 'pieces'; follower: Follower }
}

type Completed = Extract<ClaimAnswer, { kind: 'completed' }>

/** Opens a completed record; one more read of the store only when the answer did not come with the claim. */
export async function openReplay(
  store: Store,
  key: StoreKey,
  surroundings: Surroundings,
  completed: Completed,
): Promise<Replay | undefined> {
  const { fence, ageMs, log } = completed
  const begin = log.bytes ?? (await readHead(store, key, fence))
  const decoded = begin === undefined ? undefined : decodeHead(begin)
  if (begin === undefined || decoded === undefined) return undefined
  const { head, bodyOffsetBytes } = decoded
  const shared = { head, ageMs, fence, lengthBytes: log.lengthBytes - bodyOffsetBytes }
  if (log.bytes !== undefined) return { ...shared, body: { kind: 'whole', bytes: begin.subarray(bodyOffsetBytes) } }
  const follower = followStored({ store, key, fence, surroundings }, { ...decoded, lengthBytes: shared.lengthBytes })
  return { ...shared, body: { kind: 'pieces', follower } }
}

async function readHead(store: Store, key: StoreKey, fence: number): Promise<Uint8Array | undefined> {
  let head: Uint8Array = new Uint8Array(0)
  for (;;) {
    const answer = await store.read(key, fence, head.byteLength, 65_536)
    if (answer.kind !== 'bytes' || answer.bytes.byteLength === 0) return undefined
    head = head.byteLength === 0 ? answer.bytes : Buffer.concat([head, answer.bytes])
    if (decodeHead(head) !== undefined) return head
  }
}
