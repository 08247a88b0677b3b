import type { SeededRandom } from '../../packages/retrysafe/src/store-testkit/random.ts'
import type { Action, CallAction, Stage } from './action.ts'

type Scene = (random: SeededRandom, stage: Stage & { key: number; atMs: number }) => Action[]

/**
 * Chance alone seldom comes to the rare ends of the state table. A scene is a short story that often does, if nothing
 * else comes between; it is played among all the other actions.
 */
export function drawScenes(random: SeededRandom, stage: Stage): Action[] {
  const count = random.pick([1, 2, 2, 2, 3])
  return Array.from({ length: count }, () => {
    const atMs = 1_000 + random.unit() * (stage.spanMs - 12_000)
    return random.pick(scenes)(random, { ...stage, key: random.below(stage.keys), atMs })
  }).flat()
}

function call(change: Partial<CallAction> & { atMs: number; key: number }): CallAction {
  return {
    kind: 'call',
    id: Math.round(change.atMs) + 100,
    executor: 0,
    payload: 'a',
    twin: 0,
    waitMs: 10_000,
    leaseMs: 1_000,
    retentionMs: 3_600_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    leavesAfterMs: undefined,
    readsEveryMs: 0,
    canonicalMs: undefined,
    canonicalFirst: false,
    ...change,
  }
}

/** The record is removed while it runs: its own caller finds nobody to join. */
const purgedRun: Scene = (random, { key, atMs }) => [
  call({ atMs, key, upstream: { outcome: random.pick(['plain', 'stream']), afterMs: 900 } }),
  { kind: 'operator', atMs: atMs + 50, key, act: 'force', when: 'running', wayMs: 5 },
]

/** A tombstone outlives its day. */
const oldTombstone: Scene = (random, { key, spanMs }) => [
  call({ atMs: spanMs - 4_000, key, upstream: { outcome: 'silent', afterMs: 0 } }),
  { kind: 'operator', atMs: spanMs - 3_800, key, act: random.pick(['force', 'cancel']), when: 'running', wayMs: 5 },
  { kind: 'clock', atMs: spanMs - 300, of: 'store', byMs: 90_000_000 },
]

/** Given up as unknown while its owner was stopped; then the owner comes with the outcome after all. */
const lateOutcome: Scene = (random, { key, atMs, executors }) => {
  const onCrash = random.pick(['rerun', 'fail'] as const)
  const terms = { key, onCrash, maxAttempts: 1 }
  return [
    call({ ...terms, atMs, upstream: { outcome: 'plain', afterMs: 1_000 } }),
    { kind: 'pause', atMs: atMs + 500, executor: 0, forMs: 6_000, sleeps: false },
    call({ ...terms, atMs: atMs + 4_500, executor: 1 % executors }),
  ]
}

/** Taken over, and the second run's record removed: an older owner may still be alive, so a tombstone stays. */
const takenOver: Scene = (random, { key, atMs, executors }) => {
  const when = random.pick(['open', 'open', 'completed'] as const)
  const second = when === 'open' ? 'cut' : 'plain'
  return [
    call({ key, atMs, upstream: { outcome: 'plain', afterMs: 2_000 } }),
    random.chance(0.5)
      ? { kind: 'crash', atMs: atMs + 300, executor: 0, downMs: 6_000 }
      : { kind: 'pause', atMs: atMs + 300, executor: 0, forMs: 6_000, sleeps: false },
    call({ key, atMs: atMs + 4_000, executor: 1 % executors, upstream: { outcome: second, afterMs: 50 } }),
    { kind: 'operator', atMs: atMs + 4_010, key, act: 'purge', when, wayMs: 5 },
  ]
}

/** Waits for a run that dies, sleeps through its successor, and finds that one's outcome. */
const lateWaiter: Scene = (_random, { key, atMs, executors }) => [
  call({ key, atMs, upstream: { outcome: 'plain', afterMs: 3_000 } }),
  call({ key, atMs: atMs + 100, executor: 1 % executors, waitMs: 60_000 }),
  { kind: 'crash', atMs: atMs + 500, executor: 0, downMs: 1_500 },
  { kind: 'pause', atMs: atMs + 600, executor: 1 % executors, forMs: 5_500, sleeps: false },
  call({ key, atMs: atMs + 4_000, upstream: { outcome: 'plain', afterMs: 20 } }),
]

/** A waiter's old claim arrives once more and is granted, while the waiter is stopped and cannot know. */
const echoedClaim: Scene = (random, { key, atMs, executors }) => {
  const executor = 1 % executors
  return [
    call({ key, atMs, upstream: { outcome: 'refused 400', afterMs: 400 } }),
    call({ key, atMs: atMs + 100, executor, waitMs: 60_000 }),
    { kind: 'pause', atMs: atMs + 300, executor, forMs: 1_000 + random.unit() * 2_500, sleeps: false },
    { kind: 'echo', atMs: atMs + 420, executor, key },
  ]
}

/** Stopped, or asleep, between a claim and its answer: whatever was granted is long over then. */
const stoppedClaim: Scene = (random, { key, atMs, sleepers }) => [
  call({ key, atMs }),
  {
    kind: 'pause',
    atMs: atMs + random.unit() * 2,
    executor: 0,
    forMs: 1_000 + random.unit() * 4_000,
    sleeps: sleepers,
  },
]

/** The process gives up between a claim and its beginning. */
const drainedCall: Scene = (random, { key, atMs }) => [
  call({ key, atMs, onCrash: random.pick(['rerun', 'fail']) }),
  { kind: 'drain', atMs: atMs + random.unit() * 8, executor: 0, graceMs: 0, downMs: 2_000 },
]

/** Nobody knows, and an operator decides. */
const resolved: Scene = (random, { key, atMs }) => [
  call({ key, atMs, onCrash: 'fail', upstream: { outcome: random.pick(['cut', 'broken 502']), afterMs: 20 } }),
  { kind: 'operator', atMs: atMs + 100, key, act: 'resolve', when: 'unknown', wayMs: 5 },
  call({ key, atMs: atMs + 2_000, onCrash: 'fail' }),
]

/** Several wait for a run that fails, and come again when its cooldown is over. */
const patientWaiters: Scene = (random, { key, atMs, executors }) => [
  call({ key, atMs, upstream: { outcome: random.pick(['failed 500', 'failed 429']), afterMs: 300 } }),
  ...[40, 60, 80].map((laterMs, at) =>
    call({ key, atMs: atMs + laterMs, executor: (at + 1) % executors, upstream: { outcome: 'plain', afterMs: 1 } }),
  ),
]

const scenes: readonly Scene[] = [
  purgedRun,
  oldTombstone,
  oldTombstone,
  oldTombstone,
  lateOutcome,
  lateOutcome,
  lateOutcome,
  takenOver,
  takenOver,
  takenOver,
  takenOver,
  resolved,
  drainedCall,
  stoppedClaim,
  echoedClaim,
  echoedClaim,
  patientWaiters,
  lateWaiter,
  lateWaiter,
]
