import fc from 'fast-check'
import type { AttemptEnd, StoreKey, Token } from '../../src/engine/record.ts'
import type { Store } from '../../src/engine/store.ts'
import type { History } from './history.ts'
import type { ManualTime } from './manual-time.ts'
import { claimTerms, fingerprintOf, keyOf, piece, textOf } from './store-terms.ts'

interface OnKey {
  readonly key: 'rerun' | 'fail'
  /** Which of the tokens that were given out so far: 0 the newest. */
  readonly age: number
}

export type Step =
  | { kind: 'claim'; key: 'rerun' | 'fail'; owner: string; raw: string }
  | ({ kind: 'renew'; leaseMs: number; sent: boolean } & OnKey)
  | ({ kind: 'append'; atBytes: number; text: string } & OnKey)
  | ({ kind: 'complete'; atBytes: number; text: string } & OnKey)
  | ({ kind: 'release'; end: AttemptEnd; cooldownMs: number } & OnKey)
  | ({ kind: 'purge'; force: boolean } & OnKey)
  | ({ kind: 'resolve' } & OnKey)
  | { kind: 'pass'; ms: number }
  | { kind: 'sweep'; limit: number }

const key = fc.constantFrom('rerun' as const, 'fail' as const)
const onKey = { key, age: fc.constantFrom(0, 0, 0, 0, 1, 2) }
const text = fc.constantFrom('a', 'bc', 'def', '')
const atBytes = fc.constantFrom(-1, -1, -1, 0, 1, 2, 5)

export const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      key,
      owner: fc.constantFrom('a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'c0', 'c1', 'c2'),
      raw: fc.constantFrom('raw-1', 'raw-1', 'raw-1', 'raw-2'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('renew' as const),
      leaseMs: fc.constantFrom(0, 10_000, 10_000),
      sent: fc.boolean(),
      ...onKey,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('append' as const), atBytes, text, ...onKey }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('complete' as const), atBytes, text, ...onKey }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      end: fc.constantFrom<AttemptEnd>('free', 'failed', 'broken', 'cancelled'),
      cooldownMs: fc.constantFrom(0, 500),
      ...onKey,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('purge' as const), force: fc.boolean(), ...onKey }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resolve' as const), ...onKey }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 500, 9_999, 12_000, 20_000, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), limit: fc.constantFrom(1, 100) }) },
)

/** Tokens in the order in which they were given out, by key. */
export type Tokens = Map<string, Token[]>

interface World {
  readonly store: Store
  readonly time: ManualTime
  readonly history: History
  readonly tokens: Tokens
}

/**
 * Fixes everything that a step says, so that it can be sent more than once, letter for letter.
 * The first sending tells the history; the others only arrive.
 */
export async function prepareStep(world: World, step: Step): Promise<(first: boolean) => Promise<void>> {
  const { store, time } = world
  switch (step.kind) {
    case 'pass':
      return async first => {
        if (first) time.jump(step.ms)
      }
    case 'sweep':
      return async first => {
        if (first) await store.sweep(step.limit)
      }
    case 'claim':
      return first => claim(world, step, first)
    default: {
      const given = world.tokens.get(step.key) ?? []
      const token = given[given.length - 1 - step.age]
      const lengthBytes = (await store.get(keyOf(step.key)))?.lengthBytes ?? 0
      return async first => {
        if (token !== undefined) await write(world, step, token, lengthBytes, first)
      }
    }
  }
}

async function claim(
  { store, history, tokens }: World,
  step: Extract<Step, { kind: 'claim' }>,
  first: boolean,
): Promise<void> {
  const terms = claimTerms({
    key: keyOf(step.key),
    raw: fingerprintOf(step.raw),
    canonical: fingerprintOf(`canonical of ${step.raw}`),
    owner: step.owner,
    leaseMs: 10_000,
    retentionMs: 30_000,
    onCrash: step.key,
    maxAttempts: 2,
  })
  const answer = await store.claim(terms)
  if (!first) return
  history.claimed(terms, answer, answer.kind === 'completed' ? textOf(answer.log.bytes) : undefined)
  if (answer.kind === 'acquired') tokens.set(step.key, [...(tokens.get(step.key) ?? []), answer.token])
}

type Write = Exclude<Step, { kind: 'claim' } | { kind: 'pass' } | { kind: 'sweep' }>

async function write(world: World, step: Write, token: Token, lengthBytes: number, first: boolean): Promise<void> {
  const { store, history } = world
  const name = keyOf(step.key)
  const isLatest = history.isLatest(step.key, token)
  const before = isLatest ? undefined : await snapshot(store, name)
  await writeOne(world, step, name, token, lengthBytes, first)
  if (!isLatest) history.untouched(before, await snapshot(store, name))
}

async function writeOne(
  { store, history }: World,
  step: Write,
  name: StoreKey,
  token: Token,
  lengthBytes: number,
  first: boolean,
): Promise<void> {
  switch (step.kind) {
    case 'renew': {
      const { leaseMs, sent } = step
      const answer = await store.renew(name, token, { leaseMs, sent })
      if (first && answer.kind === 'ok') history.renewed(step.key, token, leaseMs, sent)
      return
    }
    case 'append': {
      const offsetBytes = step.atBytes === -1 ? lengthBytes : step.atBytes
      const answer = await store.append(name, token, piece(offsetBytes, step.text))
      if (first && answer.kind === 'ok') history.appended(step.key, token, step.text)
      return
    }
    case 'complete': {
      const offsetBytes = step.atBytes === -1 ? lengthBytes : step.atBytes
      const answer = await store.complete(name, token, piece(offsetBytes, step.text))
      if (first && answer === 'ok') history.completed(step.key, token, offsetBytes, step.text)
      return
    }
    case 'release': {
      const isLatest = history.isLatest(step.key, token)
      const wasRunning = (await store.get(name))?.state === 'running'
      const answer = await store.release(name, token, { end: step.end, cooldownMs: step.cooldownMs })
      const keepsMark = step.end === 'broken' || step.end === 'cancelled'
      if (first && answer === 'ok' && isLatest && wasRunning) history.released(step.key, keepsMark)
      return
    }
    case 'purge':
    case 'resolve': {
      const answer =
        step.kind === 'resolve'
          ? await store.resolve(name, token.fence)
          : await store.purge(name, token.fence, { force: step.force })
      if (first && answer === 'ok') history.removed(step.key)
    }
  }
}

async function snapshot(store: Store, name: StoreKey): Promise<unknown> {
  const view = await store.get(name)
  const log = view === undefined ? undefined : await store.read(name, view.fence, 0, 1_000)
  return { view, log: log?.kind === 'bytes' ? textOf(log.bytes) : log?.kind }
}
