import { createRandom, type SeededRandom } from '../../packages/retrysafe/src/store-testkit/random.ts'
import type { Action, CallAction, Stage } from './action.ts'
import { drawScenes } from './scenes.ts'

/** How often a message meets a fault, 0 to 1. */
export interface FaultRates {
  readonly requestLost: number
  readonly requestTwice: number
  /** Up to `lateMs` on its way. */
  readonly requestLate: number
  readonly replyLost: number
  readonly replyTwice: number
  readonly replyLate: number
  readonly hintLost: number
  readonly hintTwice: number
  readonly hintLate: number
  /** Some hundred milliseconds on its way: others overtake it. */
  readonly slow: number
}

export const noFaults: FaultRates = {
  requestLost: 0,
  requestTwice: 0,
  requestLate: 0,
  replyLost: 0,
  replyTwice: 0,
  replyLate: 0,
  hintLost: 0,
  hintTwice: 0,
  hintLate: 0,
  slow: 0,
}

export interface Plan {
  readonly seed: number
  readonly keys: number
  readonly executors: number
  readonly spanMs: number
  readonly faults: FaultRates
  readonly lateMs: number
  /** How long an executor waits for the store's word. */
  readonly storeTimeoutMs: number
  readonly pollMs: number
  readonly maxWaiters: number
  readonly maxResultBytes: number
  readonly upstreamTimeoutMs: number
  /** 0: a healthy upstream; 1: it answers as badly as it can. */
  readonly upstreamTrouble: number
  readonly actions: readonly Action[]
}

/** Draws a world and all that will be asked of it. */
export function drawPlan(seed: number): Plan {
  const random = createRandom(seed)
  // The first numbers of neighbouring seeds are no strangers to each other.
  for (let count = 0; count < 3; count++) random.unit()
  const keys = 1 + random.below(3)
  const executors = 2 + random.below(2)
  const spanMs = random.pick([15_000, 30_000, 60_000])
  // Rule 6 takes the larger of two clocks: one that stands still and one that is set back at once deceives it.
  const world = { keys, executors, spanMs, sleepers: random.chance(0.5) }
  return {
    seed,
    keys,
    executors,
    spanMs,
    faults: drawRates(random),
    lateMs: random.pick([3_000, 15_000, 40_000]),
    storeTimeoutMs: random.pick([300, 1_000, 2_500]),
    pollMs: random.pick([250, 1_000, 2_000]),
    maxWaiters: random.pick([1, 2, 1_000, 1_000]),
    maxResultBytes: random.pick([700, 1_048_576, 1_048_576]),
    upstreamTimeoutMs: random.pick([4_000, 15_000]),
    upstreamTrouble: random.pick([0, 0.5, 1]),
    actions: [...drawCalls(random, world), ...drawEvents(random, world), ...drawScenes(random, world)].sort(
      (a, b) => a.atMs - b.atMs,
    ),
  }
}

function drawRates(random: SeededRandom): FaultRates {
  const names = Object.keys(noFaults) as (keyof FaultRates)[]
  const mood = random.pick(['calm', 'heavy', 'mixed', 'mixed'] as const)
  if (mood === 'calm') return noFaults
  if (mood === 'heavy') return { ...noFaults, [random.pick(names)]: 0.1 + random.unit() * 0.4 }
  const most = random.pick([0.03, 0.1, 0.2])
  return Object.fromEntries(names.map(name => [name, random.unit() * most])) as unknown as FaultRates
}

function drawCalls(random: SeededRandom, { keys, executors, spanMs }: Stage): CallAction[] {
  const terms = Array.from({ length: keys }, () => ({
    leaseMs: random.pick([1_000, 3_000, 10_000, 30_000]),
    retentionMs: random.pick([1_000, 10_000, 3_600_000, 86_400_000]),
    onCrash: random.pick(['rerun', 'rerun', 'fail'] as const),
    maxAttempts: 1 + random.below(3),
    strangers: random.pick([0, 0, 0.3]),
    twins: random.pick([0, 0.4]),
    slow: random.pick([0, 0, 0.5]),
    first: random.pick([0, 0, 0.5]),
  }))
  const count = 10 + random.below(20)
  let atMs = 0
  let key = 0
  return Array.from({ length: count }, (_, id): CallAction => {
    // Calls come in bursts: the same key again at once, or a little later.
    if (random.chance(0.4)) atMs = random.unit() * spanMs
    else atMs += random.pick([0, 1, 20, 400, 3_000]) * random.unit()
    if (random.chance(0.5)) key = random.below(keys)
    const { strangers, twins, slow, first, ...own } = terms[key] ?? fallbackTerms
    const odd = random.chance(0.05)
    return {
      kind: 'call',
      id,
      atMs: Math.min(atMs, spanMs),
      executor: random.below(executors),
      key,
      payload: random.chance(strangers) ? 'b' : 'a',
      twin: random.chance(twins) ? 1 : 0,
      waitMs: random.pick([0, 1_000, 10_000, 60_000, 60_000]),
      ...own,
      ...(odd && { onCrash: random.pick(['rerun', 'fail'] as const), maxAttempts: 1 + random.below(3) }),
      leavesAfterMs: random.chance(0.1) ? random.unit() * 8_000 : undefined,
      readsEveryMs: random.chance(0.1) ? random.unit() * 500 : 0,
      canonicalMs: random.chance(slow) ? random.unit() * 3_000 : undefined,
      canonicalFirst: random.chance(first),
    }
  })
}

const fallbackTerms = {
  leaseMs: 10_000,
  retentionMs: 86_400_000,
  onCrash: 'rerun' as const,
  maxAttempts: 3,
  strangers: 0,
  twins: 0,
  slow: 0,
  first: 0,
}

const wishes = [
  { act: 'purge', when: 'any' },
  { act: 'purge', when: 'open' },
  { act: 'purge', when: 'completed' },
  { act: 'force', when: 'running' },
  { act: 'resolve', when: 'unknown' },
  { act: 'cancel', when: 'running' },
] as const

const ways = [5, 5, 300, 3_000]

function drawEvents(random: SeededRandom, world: Stage): Action[] {
  if (random.chance(0.15)) return []
  const count = random.below(10)
  return Array.from({ length: count }, () => drawEvent(random, world))
}

function drawEvent(random: SeededRandom, { keys, executors, spanMs, sleepers }: Stage): Action {
  const atMs = random.unit() * spanMs
  const executor = random.below(executors)
  const someMs = (): number => random.pick([200, 2_000, 8_000, 35_000]) * (0.3 + random.unit())
  switch (random.below(10)) {
    case 0:
    case 1:
      return { kind: 'crash', atMs, executor, downMs: someMs() }
    case 2:
    case 3:
      return { kind: 'pause', atMs, executor, forMs: someMs(), sleeps: sleepers && random.chance(0.5) }
    case 4: {
      const of = random.chance(0.4) ? 'store' : executor
      const stepMs = someMs() * (sleepers || random.chance(0.5) ? 1 : -1)
      // The store's calendar may leap by more than a tombstone's life.
      return { kind: 'clock', atMs, of, byMs: of === 'store' && random.chance(0.5) ? 90_000_000 : stepMs }
    }
    case 5:
      return { kind: 'outage', atMs, executor: random.chance(0.5) ? 'all' : executor, forMs: someMs() / 2 }
    case 6:
    case 7:
      return { kind: 'operator', atMs, key: random.below(keys), ...random.pick(wishes), wayMs: random.pick(ways) }
    case 8:
      return { kind: 'sweep', atMs, limit: random.pick([1, 1_000]) }
    default:
      return { kind: 'drain', atMs, executor, graceMs: random.pick([0, 1_000, 5_000]), downMs: someMs() }
  }
}
