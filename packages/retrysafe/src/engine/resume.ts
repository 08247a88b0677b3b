import { type Surroundings, within } from './clock.ts'
import { type Follower, followRecording, followStored, readLogHead } from './follower.ts'
import type { HttpHead } from './outcome.ts'
import { watchRecord } from './record-watch.ts'
import type { Recording } from './recording.ts'
import type { Store } from './store.ts'
import type { Generation } from './stream-id.ts'

/** Where a reader of a stream broke off. */
export interface ResumeTerms extends Generation {
  /** Bytes of the body that it has: 0 or more. */
  readonly offsetBytes: number
  /** Fires when it has left. */
  readonly signal?: AbortSignal
}

/** How it goes on. */
export type Resumption =
  /** Its follower begins at the offset. */
  | { kind: 'follow'; follower: Follower }
  /** Another generation has the record now: nothing of it may be put behind what the reader has. */
  | { kind: 'superseded' }
  /** Expired or removed, or its run ended without an outcome and nobody has run since, or its owner is gone. */
  | { kind: 'unknown' }
  | { kind: 'not kept' }
  | { kind: 'past the end' }
  /** The reader has left while it waited. */
  | { kind: 'left' }

/** What resuming needs of its engine. */
export interface ResumePort {
  readonly store: Store
  readonly surroundings: Surroundings
  /** What this process records under that fence. */
  live(key: Generation['key'], fence: number): { readonly recording: Recording } | undefined
}

/**
 * A reader may be ahead of the log: bytes are delivered before they are appended (protocol rule 10). So long the log may
 * take to get there.
 */
const behindMs = 5_000
/** Most heads are shorter, and are read again and again while the log is waited for. */
const headBytes = 4_096

/**
 * Follows one generation from an offset on: from this process's recording, or from the store. A reader is never given
 * bytes of another generation, also not when that begins meanwhile: then its follower breaks.
 */
export async function resume(port: ResumePort, terms: ResumeTerms): Promise<Resumption> {
  const untilMs = port.surroundings.clock.monotonicMs() + behindMs
  const recording = port.live(terms.key, terms.fence)?.recording
  const here = recording && (await resumeHere(port, recording, terms, untilMs))
  // What became of a run that broke here, the store knows.
  return here ?? resumeStored(port, terms, untilMs)
}

async function resumeHere(
  { surroundings }: ResumePort,
  recording: Recording,
  { offsetBytes, signal }: ResumeTerms,
  untilMs: number,
): Promise<Resumption | undefined> {
  const { tail } = recording
  const { clock, timers } = surroundings
  const leave = recording.audience.enter()
  try {
    const opened = await within(recording.whenOpen(), timers, untilMs - clock.monotonicMs(), signal)
    if (opened?.kind !== 'head') return undefined
    for (;;) {
      if (!recording.isKept) return { kind: 'not kept' }
      if (tail.state === 'broken') return undefined
      if (offsetBytes <= tail.visibleBytes) {
        return { kind: 'follow', follower: followRecording(recording, opened.head as HttpHead, false, offsetBytes) }
      }
      const leftMs = untilMs - clock.monotonicMs()
      if (tail.state === 'sealed' || leftMs <= 0) return { kind: 'past the end' }
      await within(tail.changed(), timers, leftMs, signal)
      if (signal?.aborted) return { kind: 'left' }
    }
  } finally {
    leave()
  }
}

/** Subscribes, reads, waits, reads again: a hint may be missed. */
async function resumeStored(
  { store, surroundings }: ResumePort,
  { key, fence, offsetBytes, signal }: ResumeTerms,
  untilMs: number,
): Promise<Resumption> {
  const log = { store, key, fence, surroundings }
  const watch = watchRecord(store, key, surroundings, signal)
  let keepWatch = false
  try {
    for (;;) {
      const begin = await readLogHead<HttpHead>(log, headBytes)
      if (begin.kind === 'ended') return await whyEnded(store, key, fence)
      if (begin.kind === 'lapsed') return { kind: 'unknown' }
      if (begin.kind === 'head') {
        const { head, storedBytes, lengthBytes } = begin
        if (head.kind === 'not kept') return { kind: 'not kept' }
        const isAhead = offsetBytes > storedBytes
        if (isAhead && lengthBytes !== undefined) return { kind: 'past the end' }
        // Its owner is gone: nothing more will come, but perhaps of a successor.
        if (begin.lapsed && offsetBytes >= storedBytes) return { kind: 'unknown' }
        if (!isAhead) {
          keepWatch = true
          return { kind: 'follow', follower: followStored(log, { ...begin, head }, watch, offsetBytes) }
        }
      }
      const leftMs = untilMs - surroundings.clock.monotonicMs()
      if (leftMs <= 0) return { kind: 'past the end' }
      if (!(await watch.next(leftMs))) return { kind: 'left' }
    }
  } finally {
    if (!keepWatch) watch.close()
  }
}

async function whyEnded(store: Store, key: Generation['key'], fence: number): Promise<Resumption> {
  const record = await store.get(key)
  const isAnother = record !== undefined && record.state !== 'purged' && record.fence !== fence
  return { kind: isAnother ? 'superseded' : 'unknown' }
}
