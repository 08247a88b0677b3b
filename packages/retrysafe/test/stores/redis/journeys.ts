import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { StoreKey, Token } from '../../../src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'

const fingerprint = `1${Buffer.alloc(32, 1).toString('base64url')}` as Fingerprint

export function termsOf(key: string, leaseMs = 30_000): ClaimTerms {
  return {
    key: key as StoreKey,
    raw: fingerprint,
    owner: randomBytes(16).toString('base64url'),
    leaseMs,
    retentionMs: 600_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'default', tenant: 'tenant' },
  }
}

export async function acquire(store: Store, key: string, leaseMs?: number): Promise<Token> {
  const answer = await store.claim(termsOf(key, leaseMs))
  if (answer.kind !== 'acquired') throw new Error(`${key}: ${answer.kind} instead of acquired`)
  return answer.token
}

/** A whole call: claimed, streamed, completed, and replayed. What was sent twice equals once. */
export async function travel(store: Store, name: string): Promise<void> {
  const key = name as StoreKey
  const token = await acquire(store, name)
  const [first, last] = [Buffer.from(`first of ${name}`), Buffer.from(', last')]
  expect(['ok', 'dup']).toContain((await store.append(key, token, { offsetBytes: 0, bytes: first })).kind)
  expect((await store.renew(key, token, { leaseMs: 30_000 })).kind).toBe('ok')
  expect(['ok', 'dup']).toContain(await store.complete(key, token, { offsetBytes: first.length, bytes: last }))
  expect(await outcomeOf(store, name)).toBe(`first of ${name}, last`)
}

export async function outcomeOf(store: Store, name: string): Promise<string> {
  const answer = await store.claim(termsOf(name))
  if (answer.kind !== 'completed') return answer.kind
  return Buffer.from(answer.log.bytes ?? []).toString()
}

/** Beside the record a second key, in the same slot. */
export const step = { id: 'step', input: fingerprint, onCrash: 'rerun', maxAttempts: 3 } as const

export interface Load {
  /** Journeys that came to their end so far. */
  count(): number
  /** The longest one so far, in ms. */
  longestMs(): number
  /** @throws what a journey threw */
  stop(): Promise<void>
}

/** Journeys without end, some at a time, one after another each. */
export function startLoad(store: Store, name: string, width = 8): Load {
  let [isOver, count, longestMs] = [false, 0, 0]
  const walk = async (lane: number): Promise<void> => {
    for (let turn = 0; !isOver; turn++) {
      const beganMs = performance.now()
      await travel(store, `${name}-${lane}-${turn}`)
      longestMs = Math.max(longestMs, performance.now() - beganMs)
      count += 1
    }
  }
  const lanes = Promise.all(Array.from({ length: width }, (_, lane) => walk(lane)))
  lanes.catch(() => {})
  return {
    count: () => count,
    longestMs: () => longestMs,
    async stop() {
      isOver = true
      await lanes
    },
  }
}
