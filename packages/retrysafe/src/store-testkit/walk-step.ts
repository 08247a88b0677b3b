import type { AttemptEnd, CrashPolicy } from '../engine/record.ts'
import { createRandom, type SeededRandom } from './random.ts'

/** Which record, and which of the tokens that were given out on it so far: 0 the newest. */
interface OnKey {
  readonly key: number
  readonly age: number
}

/** One step of a walk, said without what only a play knows (keys, owners, fences): it means something in any order. */
export type WalkStep =
  | { kind: 'claim'; key: number; spelling: number; policy: CrashPolicy; cap: number; retentionMs: number }
  | ({ kind: 'renew'; leaseMs: number; sent: boolean; canonical: boolean } & OnKey)
  | ({ kind: 'append' | 'complete'; offset: 'end' | number; text: string; canonical: boolean } & OnKey)
  | ({ kind: 'release'; end: AttemptEnd; cooldownMs: number; canonical: boolean } & OnKey)
  | ({ kind: 'stepStart'; id: string; input: string; policy: CrashPolicy } & OnKey)
  | ({ kind: 'stepPut'; id: string; value: string } & OnKey)
  | ({ kind: 'cancel' | 'resolve' } & OnKey)
  | ({ kind: 'purge'; force: boolean } & OnKey)
  | ({ kind: 'offer'; count: number } & OnKey)
  | { kind: 'take'; count: number; owner: string }
  /** The request that was sent so many ago arrives once more. */
  | { kind: 'echo'; back: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'sweep'; limit: number }

/** How a claim spells its payload: raw and canonical fingerprint. */
export const spellings: readonly (readonly [raw: string, canonical: string | undefined])[] = [
  ['raw-1', undefined],
  ['raw-1', 'canonical-1'],
  ['raw-1', 'canonical-1'],
  ['raw-2', undefined],
  ['raw-2', 'canonical-1'],
  ['raw-3', 'canonical-3'],
]

export const walkLeaseMs = 1_000
export const walkStepIds: readonly string[] = ['s0', 's1']

const policies: readonly CrashPolicy[] = ['rerun', 'fail']
const ends: readonly AttemptEnd[] = ['free', 'failed', 'broken', 'cancelled']
const offsets: readonly ('end' | number)[] = ['end', 'end', 'end', 'end', 0, 1, 2, 5]
const texts: readonly string[] = ['a', 'bc', 'def', '']
/** Among them one on either side of lease, lapse, cooldown and retention. */
const passes: readonly number[] = [
  1, 499, 500, 999, 1_000, 1_000, 2_999, 2_999, 3_000, 3_000, 3_000, 10_000, 600_000, 86_400_000,
]

type Draw = (random: SeededRandom, on: OnKey) => WalkStep

const draws: readonly (readonly [weight: number, draw: Draw])[] = [
  [
    7,
    (random, { key }) => ({
      kind: 'claim',
      key,
      spelling: random.chance(0.6) ? 1 : random.below(spellings.length),
      policy: random.pick(policies),
      cap: 1 + random.below(3),
      retentionMs: random.pick([1_000, 20_000, 20_000]),
    }),
  ],
  [
    3,
    (random, on) => ({
      kind: 'renew',
      leaseMs: random.pick([0, walkLeaseMs, walkLeaseMs, 5_000]),
      sent: random.chance(0.4),
      canonical: random.chance(0.3),
      ...on,
    }),
  ],
  [4, (random, on) => ({ kind: 'append', ...pieceOf(random), ...on })],
  [2, (random, on) => ({ kind: 'complete', ...pieceOf(random), ...on })],
  [
    3,
    (random, on) => ({
      kind: 'release',
      end: random.pick(ends),
      cooldownMs: random.pick([0, 0, 500, 5_000]),
      canonical: random.chance(0.3),
      ...on,
    }),
  ],
  [
    2,
    (random, on) => ({
      kind: 'stepStart',
      id: random.pick(walkStepIds),
      input: random.pick(['i', 'i', 'i', 'j']),
      policy: random.pick(policies),
      ...on,
    }),
  ],
  [2, (random, on) => ({ kind: 'stepPut', id: random.pick(walkStepIds), value: random.pick(['v', 'w', '']), ...on })],
  [1, (random, on) => ({ kind: random.pick(['cancel', 'resolve', 'resolve']), ...on })],
  [1, (random, on) => ({ kind: 'purge', force: random.chance(0.5), ...on })],
  [1, (random, on) => ({ kind: 'offer', count: random.below(2), ...on })],
  [1, random => ({ kind: 'take', count: random.below(3), owner: random.pick(['x', 'y', 'z']) })],
  [5, random => ({ kind: 'pass', ms: random.pick(passes) })],
  [1, random => ({ kind: 'sweep', limit: random.pick([1, 100]) })],
]

const echo: readonly [number, Draw] = [6, random => ({ kind: 'echo', back: random.below(12) })]

function pieceOf(random: SeededRandom): { offset: 'end' | number; text: string; canonical: boolean } {
  return { offset: random.pick(offsets), text: random.pick(texts), canonical: random.chance(0.3) }
}

/** The walk of a seed. `echoes`: requests arrive again, late, among the others. */
export function createWalk(seed: number, length: number, echoes: boolean): WalkStep[] {
  const random = createRandom(seed)
  const table = echoes ? [...draws, echo] : draws
  const total = table.reduce((sum, [weight]) => sum + weight, 0)
  return Array.from({ length }, () => {
    let at = random.unit() * total
    const draw = table.find(([weight]) => {
      at -= weight
      return at < 0
    })?.[1]
    const on = { key: random.chance(0.8) ? 0 : 1, age: random.pick([0, 0, 0, 0, 1, 2]) }
    return (draw ?? (() => ({ kind: 'sweep', limit: 1 }) as const))(random, on)
  })
}
