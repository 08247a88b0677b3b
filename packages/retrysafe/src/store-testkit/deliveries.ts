import assert from 'node:assert/strict'
import type { AttemptEnd, CrashPolicy, Token } from '../engine/record.ts'
import { plain } from './assertions.ts'
import { longLeaseMs } from './durations.ts'
import { bytesOf, fingerprint, piece, step, type Trial } from './trial.ts'

/** One step of an attempt's life, as a message that may arrive twice, late, or after others. */
export interface Delivery {
  readonly name: string
  send(t: Trial, key: string, token: Token): Promise<unknown>
  /** What the second one is told, where that is not what the first one was told. */
  readonly twin?: unknown
  /** What it is told once another owner runs, has completed, or the record has a tombstone. */
  readonly whenLost: string
}

const canonical = fingerprint('canonical-1')

const appends: readonly Delivery[] = [
  {
    name: 'append',
    send: (t, key, token) => t.store.append(t.key(key), token, piece(0, 'ab', 'canonical-1')),
    twin: { kind: 'dup' },
    whenLost: 'lost',
  },
  {
    name: 'second append',
    send: (t, key, token) => t.store.append(t.key(key), token, piece(2, 'cd')),
    twin: { kind: 'dup' },
    whenLost: 'lost',
  },
]

const renewals: readonly Delivery[] = [
  {
    name: 'renew',
    send: (t, key, token) => t.store.renew(t.key(key), token, { leaseMs: longLeaseMs }),
    whenLost: 'lost',
  },
  {
    name: 'mark',
    send: (t, key, token) => t.store.renew(t.key(key), token, { leaseMs: longLeaseMs, sent: true, canonical }),
    whenLost: 'lost',
  },
]

const steps: readonly Delivery[] = [
  {
    name: 'stepStart',
    send: (t, key, token) => t.store.stepStart(t.key(key), token, step()),
    whenLost: 'lost',
  },
  {
    name: 'stepPut',
    send: (t, key, token) => t.store.stepPut(t.key(key), token, { id: 's', value: bytesOf('value') }),
    whenLost: 'lost',
  },
]

const cancel: Delivery = {
  name: 'cancel',
  send: (t, key, token) => t.store.cancel(t.key(key), token.fence),
  whenLost: 'changed',
}

/** What an attempt does before its end. */
export const stories: Readonly<Record<string, readonly Delivery[]>> = {
  plain: [...renewals, ...appends, cancel],
  'with steps': [...renewals, ...steps, ...appends, cancel],
}

export const complete: Delivery = {
  name: 'complete',
  send: (t, key, token) => t.store.complete(t.key(key), token, piece(2, 'X')),
  twin: 'dup',
  whenLost: 'lost',
}

export const endings: readonly Delivery[] = [
  complete,
  ...(['free', 'failed', 'broken', 'cancelled'] as const).map(
    (end: AttemptEnd): Delivery => ({
      name: `release as ${end}`,
      send: (t, key, token) => t.release(token, end, longLeaseMs, key),
      whenLost: 'lost',
    }),
  ),
  {
    name: 'purge',
    send: (t, key, token) => t.store.purge(t.key(key), token.fence, { force: true }),
    twin: 'absent',
    whenLost: 'changed',
  },
]

/** Every combination of story and policy, with a key of its own. */
export function lives(ending: Delivery): { key: string; story: readonly Delivery[]; onCrash: CrashPolicy }[] {
  return Object.entries(stories).flatMap(([name, story]) =>
    (['rerun', 'fail'] as const).map(onCrash => ({ key: `${name} ${onCrash} ${ending.name}`, story, onCrash })),
  )
}

/** Sends and must leave everything as it was. */
export async function sendInVain(
  t: Trial,
  delivery: Delivery,
  key: string,
  token: Token,
  when: string,
): Promise<unknown> {
  const before = await t.snapshot(key)
  const answer = await delivery.send(t, key, token)
  assert.deepEqual(plain(await t.snapshot(key)), plain(before), `${delivery.name}, ${when}, changed the record`)
  return plain(answer)
}

/** `ok`, `lost`, … of any answer. */
export function kindOf(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null && 'kind' in answer ? answer.kind : answer
}
