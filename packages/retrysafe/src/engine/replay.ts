import type { Surroundings } from './clock.ts'
import { type Follower, followStored, readLogHead } from './follower.ts'
import { decodeHead, type HttpHead, type KeptHead } from './outcome.ts'
import type { StoreKey } from './record.ts'
import type { ClaimAnswer, Store } from './store.ts'

/** An outcome that is there: whole when it is small, else to be read piece by piece. */
export interface Replay<Head extends KeptHead = HttpHead> {
  readonly head: Head
  /** Length of the body. */
  readonly lengthBytes: number
  /** Milliseconds since completion, on the store's clock. */
  readonly ageMs: number
  readonly fence: number
  readonly body: { kind: 'whole'; bytes: Uint8Array } | { kind: 'pieces'; follower: Follower<Head> }
}

export type ReplayOpening<Head extends KeptHead> =
  | { kind: 'replay'; replay: Replay<Head> }
  | { kind: 'not kept' }
  | { kind: 'gone' }

type Completed = Extract<ClaimAnswer, { kind: 'completed' }>

/** Opens a completed record whose log came with the claim; `undefined` when it has to be read. */
export function openWhole<Head extends KeptHead>({ fence, ageMs, log }: Completed): ReplayOpening<Head> | undefined {
  const decoded = log.bytes === undefined ? undefined : decodeHead<Head>(log.bytes)
  if (log.bytes === undefined || decoded === undefined) return undefined
  const { head } = decoded
  if (head.kind === 'not kept') return head
  const bytes = log.bytes.subarray(decoded.bodyOffsetBytes)
  return {
    kind: 'replay',
    replay: { head, ageMs, fence, lengthBytes: bytes.byteLength, body: { kind: 'whole', bytes } },
  }
}

/** Opens a completed record by reading its head; the body follows piece by piece. */
export async function openPieces<Head extends KeptHead>(
  store: Store,
  key: StoreKey,
  surroundings: Surroundings,
  { fence, ageMs, log }: Completed,
): Promise<ReplayOpening<Head>> {
  const begin = await readLogHead<Head>({ store, key, fence })
  if (begin.kind !== 'head') return { kind: 'gone' }
  const { head } = begin
  if (head.kind === 'not kept') return head
  const lengthBytes = log.lengthBytes - begin.bodyOffsetBytes
  const follower = followStored({ store, key, fence, surroundings }, { ...begin, head, lengthBytes })
  return { kind: 'replay', replay: { head, ageMs, fence, lengthBytes, body: { kind: 'pieces', follower } } }
}
