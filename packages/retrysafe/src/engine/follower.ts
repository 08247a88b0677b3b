import type { Surroundings } from './clock.ts'
import { decodeHead, type OutcomeHead } from './outcome.ts'
import type { StoreKey } from './record.ts'
import { type RecordWatch, watchRecord } from './record-watch.ts'
import type { Recording } from './recording.ts'
import type { Store } from './store.ts'

/** What a follower gets next. `broken`: the run behind it is over without an outcome; never splice anything to it. */
export type FollowStep = { kind: 'bytes'; bytes: Uint8Array } | { kind: 'end' } | { kind: 'broken' }

/** Reads one generation's body in order, without gaps or repeats, at its own pace. */
export interface Follower {
  readonly head: OutcomeHead
  /** Length of the body, when it was whole already as the follower began. */
  readonly lengthBytes: number | undefined
  next(): Promise<FollowStep>
  close(): void
}

const readBytes = 65_536

/** Follows an answer that this process records. */
export function followRecording(recording: Recording, head: OutcomeHead, primary: boolean): Follower {
  const { tail, terms } = recording
  let offsetBytes = 0

  function take(bytes: Uint8Array): FollowStep {
    offsetBytes += bytes.byteLength
    if (primary) recording.primaryAt(offsetBytes)
    return { kind: 'bytes', bytes }
  }

  /** Too slow for the window: the store has what left it, unless the answer was too large to keep. */
  async function readStored(): Promise<FollowStep> {
    const logOffset = recording.bodyOffsetBytes + offsetBytes
    const limit = Math.min(readBytes, tail.visibleBytes - offsetBytes)
    const answer = await terms.store.read(terms.key, terms.token.fence, logOffset, limit)
    return answer.kind === 'bytes' && answer.bytes.byteLength > 0 ? take(answer.bytes) : { kind: 'broken' }
  }

  return {
    head,
    lengthBytes: tail.state === 'sealed' ? tail.lengthBytes : undefined,
    async next() {
      for (;;) {
        const read = tail.read(offsetBytes)
        if (read.kind === 'bytes') return take(read.bytes)
        if (read.kind === 'earlier') return readStored()
        if (tail.state === 'sealed') return { kind: 'end' }
        if (tail.state === 'broken') return { kind: 'broken' }
        await tail.changed()
      }
    },
    close() {
      if (primary) recording.primaryAt(undefined)
    },
  }
}

/** Where a follower of another process's run stands. */
export interface StoredLog {
  readonly store: Store
  readonly key: StoreKey
  readonly fence: number
  readonly surroundings: Surroundings
}

/** What waiting for the head of another process's run came to. */
export type StoredOpening =
  | { kind: 'head'; follower: Follower }
  | { kind: 'ended' }
  | { kind: 'superseded' }
  | { kind: 'late' }

/** Waits until the log has a head, at most `waitMs`. Subscribes, reads, waits, reads again: a hint may be missed. */
export async function openStoredLog(log: StoredLog, waitMs: number, signal?: AbortSignal): Promise<StoredOpening> {
  const watch = watchRecord(log.store, log.key, log.surroundings, signal)
  const startedMs = log.surroundings.clock.monotonicMs()
  let opened = false
  try {
    for (;;) {
      const answer = await log.store.read(log.key, log.fence, 0, readBytes)
      if (answer.kind === 'ended') return { kind: answer.state === 'running' ? 'superseded' : 'ended' }
      const decoded = decodeHead(answer.bytes)
      if (decoded !== undefined) {
        opened = true
        const lengthBytes = answer.sealed ? answer.lengthBytes - decoded.bodyOffsetBytes : undefined
        return { kind: 'head', follower: followStored(log, { ...decoded, lengthBytes }, watch) }
      }
      const leftMs = waitMs - (log.surroundings.clock.monotonicMs() - startedMs)
      if (leftMs <= 0 || !(await watch.next(leftMs))) return { kind: 'late' }
    }
  } finally {
    if (!opened) watch.close()
  }
}

/** Follows, or replays, a log from the store. */
export function followStored(
  log: StoredLog,
  begin: { head: OutcomeHead; bodyOffsetBytes: number; lengthBytes: number | undefined },
  watch?: RecordWatch,
): Follower {
  let offsetBytes = begin.bodyOffsetBytes
  return {
    head: begin.head,
    lengthBytes: begin.lengthBytes,
    async next() {
      for (;;) {
        const answer = await log.store.read(log.key, log.fence, offsetBytes, readBytes)
        if (answer.kind === 'ended') return { kind: 'broken' }
        if (answer.bytes.byteLength > 0) {
          offsetBytes += answer.bytes.byteLength
          return { kind: 'bytes', bytes: answer.bytes }
        }
        if (answer.sealed) return offsetBytes === answer.lengthBytes ? { kind: 'end' } : { kind: 'broken' }
        if (watch === undefined) return { kind: 'broken' }
        if (!(await watch.next(Number.POSITIVE_INFINITY))) return { kind: 'broken' }
      }
    },
    close: () => watch?.close(),
  }
}
