import type { Surroundings } from './clock.ts'
import { decodeHead, type HttpHead, type KeptHead, type OutcomeHead } from './outcome.ts'
import type { RecordState, StoreKey } from './record.ts'
import { type RecordWatch, watchRecord } from './record-watch.ts'
import type { Recording } from './recording.ts'
import type { Store } from './store.ts'

/** What a follower gets next. `broken`: the run behind it is over without an outcome; never splice anything to it. */
export type FollowStep = { kind: 'bytes'; bytes: Uint8Array } | { kind: 'end' } | { kind: 'broken' }

/** Reads one generation's body in order, without gaps or repeats, at its own pace. */
export interface Follower<Head extends KeptHead = HttpHead> {
  readonly head: Head
  /** How much of the body it gives, when that was whole already as the follower began. */
  readonly lengthBytes: number | undefined
  next(): Promise<FollowStep>
  close(): void
}

const readBytes = 65_536

/**
 * Follows an answer that this process records, from `fromBytes` of the body on: at most what readers may see. Until it is
 * closed, somebody wants that answer.
 */
export function followRecording<Head extends KeptHead>(
  recording: Recording,
  head: Head,
  primary: boolean,
  fromBytes = 0,
): Follower<Head> {
  const { tail, terms } = recording
  const leave = primary ? (): void => recording.primaryAt(undefined) : recording.audience.enter()
  let offsetBytes = fromBytes

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
    lengthBytes: tail.state === 'sealed' ? tail.lengthBytes - fromBytes : undefined,
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
    close: leave,
  }
}

/** Where a follower of another process's run stands. */
export interface StoredLog {
  readonly store: Store
  readonly key: StoreKey
  readonly fence: number
  readonly surroundings: Surroundings
  /** The run is of this process after all: a store may show a claim to others before its owner has its word. */
  readonly isHere?: () => boolean
}

/** What waiting for the head of another process's run came to. */
export type StoredOpening<Head extends KeptHead> =
  | { kind: 'head'; follower: Follower<Head> }
  | { kind: 'not kept' }
  | { kind: 'ended'; cooldownMs: number }
  /** Another attempt has taken over, or may, or it is of this process: claim again. */
  | { kind: 'superseded' }
  | { kind: 'late' }

/** Waits until the log has a head, at most `waitMs`. Subscribes, reads, waits, reads again: a hint may be missed. */
export async function openStoredLog<Head extends KeptHead>(
  log: StoredLog,
  waitMs: number,
  signal?: AbortSignal,
): Promise<StoredOpening<Head>> {
  const { store, key, surroundings } = log
  const watch = watchRecord(store, key, surroundings, signal)
  const startedMs = surroundings.clock.monotonicMs()
  let keepWatch = false
  try {
    for (;;) {
      const opening = await readLogHead<Head>(log)
      // Here there is more to be had: all that has come, whatever the store takes.
      if (log.isHere?.()) return { kind: 'superseded' }
      switch (opening.kind) {
        case 'head': {
          if (opening.head.kind === 'not kept') return { kind: 'not kept' }
          keepWatch = true
          return { kind: 'head', follower: followStored(log, { ...opening, head: opening.head }, watch) }
        }
        case 'ended':
          return opening.state === 'running' ? { kind: 'superseded' } : opening
        case 'lapsed':
          return { kind: 'superseded' }
        case 'nothing': {
          const leftMs = waitMs - (surroundings.clock.monotonicMs() - startedMs)
          if (leftMs <= 0 || !(await watch.next(leftMs))) return { kind: 'late' }
        }
      }
    }
  } finally {
    if (!keepWatch) watch.close()
  }
}

/** What a log begins with. */
export interface LogBegin<Head extends OutcomeHead> {
  readonly head: Head
  readonly bodyOffsetBytes: number
  /** Length of the body, once it is sealed. */
  readonly lengthBytes: number | undefined
}

/** Reads the head of a log, in as many reads of `limitBytes` as it takes. */
export async function readLogHead<Head extends KeptHead>(
  { store, key, fence }: Omit<StoredLog, 'surroundings' | 'isHere'>,
  limitBytes: number = readBytes,
): Promise<
  | ({ kind: 'head'; storedBytes: number; lapsed: boolean } & LogBegin<OutcomeHead<Head>>)
  | { kind: 'ended'; state: RecordState | 'absent'; cooldownMs: number }
  | { kind: 'nothing' }
  | { kind: 'lapsed' }
> {
  let begin: Uint8Array = new Uint8Array(0)
  for (;;) {
    const answer = await store.read(key, fence, begin.byteLength, limitBytes)
    if (answer.kind === 'ended') return answer
    if (answer.bytes.byteLength === 0) return { kind: answer.lapsed ? 'lapsed' : 'nothing' }
    begin = begin.byteLength === 0 ? answer.bytes : Buffer.concat([begin, answer.bytes])
    const decoded = decodeHead<Head>(begin)
    if (decoded === undefined) continue
    const storedBytes = answer.lengthBytes - decoded.bodyOffsetBytes
    const lengthBytes = answer.sealed ? storedBytes : undefined
    return { kind: 'head', ...decoded, storedBytes, lengthBytes, lapsed: answer.lapsed }
  }
}

/** Follows, or replays, a log from the store, from `fromBytes` of the body on: at most what is there. */
export function followStored<Head extends KeptHead>(
  log: StoredLog,
  begin: LogBegin<Head>,
  watch?: RecordWatch,
  fromBytes = 0,
): Follower<Head> {
  let offsetBytes = begin.bodyOffsetBytes + fromBytes
  return {
    head: begin.head,
    lengthBytes: begin.lengthBytes === undefined ? undefined : begin.lengthBytes - fromBytes,
    async next() {
      for (;;) {
        const answer = await log.store.read(log.key, log.fence, offsetBytes, readBytes)
        if (answer.kind === 'ended') return { kind: 'broken' }
        if (answer.bytes.byteLength > 0) {
          offsetBytes += answer.bytes.byteLength
          return { kind: 'bytes', bytes: answer.bytes }
        }
        // A shorter log is another one: the answer turned out too large to keep.
        if (answer.sealed) return offsetBytes === answer.lengthBytes ? { kind: 'end' } : { kind: 'broken' }
        if (answer.lapsed || watch === undefined) return { kind: 'broken' }
        if (!(await watch.next(Number.POSITIVE_INFINITY))) return { kind: 'broken' }
      }
    },
    close: () => watch?.close(),
  }
}
