import type { Attempt } from '../../src/engine/attempt.ts'
import type { Call, Entry } from '../../src/engine/claim.ts'
import { type Engine, type EngineOptions, openEngine } from '../../src/engine/engine.ts'
import type { Follower } from '../../src/engine/follower.ts'
import type { HttpHead } from '../../src/engine/outcome.ts'
import type { Store } from '../../src/engine/store.ts'
import type { ManualProcess, ManualTime } from './manual-time.ts'
import { day, fingerprintOf, keyOf, textOf } from './store-terms.ts'

export interface ManualEngine {
  readonly engine: Engine
  readonly process: ManualProcess
}

/** Opens an engine as a process of its own in manual time. */
export async function openManualEngine(
  time: ManualTime,
  store: Store,
  options: Partial<EngineOptions> & { seed?: number } = {},
): Promise<ManualEngine> {
  const { seed, ...rest } = options
  const process = time.process(seed ?? 1)
  const engine = await openEngine({ store, surroundings: process.surroundings, ...rest })
  return { engine, process }
}

/** A call for key `k` with payload `raw-1` (canonical `canonical-1`), patient for 10 min. */
export function callOf(change: Partial<Call> = {}): Call {
  return {
    key: keyOf('k'),
    raw: fingerprintOf('raw-1'),
    canonical: () => fingerprintOf('canonical-1'),
    leaseMs: 30_000,
    retentionMs: day,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'default', tenant: 'tenant00' },
    waitMs: 600_000,
    ...change,
  }
}

export const okHead: HttpHead = { kind: 'http', status: 200, headers: ['content-type', 'text/plain'] }

/** Enters and must run. */
export async function enterRun(engine: Engine, change: Partial<Call> = {}): Promise<Attempt> {
  const entry = await engine.enter(callOf(change))
  if (entry.kind !== 'run') throw new Error(`the call does not run but is ${describe(entry)}`)
  return entry.attempt
}

export async function enterFollow(engine: Engine, change: Partial<Call> = {}): Promise<Follower> {
  return followerOf(await engine.enter(callOf(change)))
}

export function followerOf(entry: Entry | 'pending'): Follower {
  if (entry === 'pending' || entry.kind !== 'follow') throw new Error(`no follower but ${describe(entry)}`)
  return entry.follower
}

export function runOf(entry: Entry | 'pending'): Attempt {
  if (entry === 'pending' || entry.kind !== 'run') throw new Error(`no run but ${describe(entry)}`)
  return entry.attempt
}

/** The entry without what cannot be compared: `run`, `replay 200 "text"`, `follow`, `refused IN_FLIGHT wait over`, … */
export function describe(entry: Entry | 'pending'): string {
  if (entry === 'pending') return 'pending'
  switch (entry.kind) {
    case 'run':
    case 'follow':
    case 'left':
    case 'none':
      return entry.kind
    case 'replay': {
      const { body, head } = entry.replay
      return `replay ${head.status} ${body.kind === 'whole' ? JSON.stringify(textOf(body.bytes)) : body.kind}`
    }
    case 'refused': {
      const { refusal } = entry
      return `refused ${refusal.code}${refusal.code === 'IN_FLIGHT' ? ` ${refusal.reason}` : ''}`
    }
  }
}

/** Reads until the end; `ending` is `end` or `broken`. */
export async function readAll(follower: Follower): Promise<{ text: string; ending: 'end' | 'broken' }> {
  const parts: Uint8Array[] = []
  for (;;) {
    const step = await follower.next()
    if (step.kind !== 'bytes') return { text: textOf(Buffer.concat(parts)), ending: step.kind }
    parts.push(step.bytes)
  }
}

/** Runs a whole plain answer. */
export async function runPlain(attempt: Attempt, text: string): Promise<'sealed' | 'lost'> {
  attempt.recording.open(okHead)
  attempt.recording.write(Buffer.from(text))
  return attempt.complete()
}
