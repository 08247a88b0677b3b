import { storeKey } from 'retrysafe/internal/engine/identity'
import { encodeHead, type HttpHead } from 'retrysafe/internal/engine/outcome'
import type { StoreKey } from 'retrysafe/internal/engine/record'
import type { ClaimTerms, Store } from 'retrysafe/internal/engine/store'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import { rawFingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { createKeyedHash } from 'retrysafe/internal/fingerprint/keyed-hash'
import type { Report } from 'retrysafe/internal/providers/usage'
import { memoryStore } from 'retrysafe/internal/stores/memory/index'
import { beforeEach, expect, test } from 'vitest'
import { type OutcomeToRead, RecordedUsage, type RecordedUse } from '../../src/ledger/recorded-usage.ts'

const head: HttpHead = { kind: 'http', status: 200, headers: ['Content-Type', 'application/json; charset=utf-8'] }
const path = '/v1/chat/completions'

let store: Store
let reads: number
let isGone: boolean
let usage: RecordedUsage
beforeEach(() => {
  store = memoryStore()
  reads = 0
  isGone = false
  const watched = {
    subscribe: store.subscribe.bind(store),
    read: (...asked: Parameters<Store['read']>) => {
      reads++
      return isGone ? Promise.reject(new Error('gone')) : store.read(...asked)
    },
  }
  usage = new RecordedUsage(watched, processSurroundings)
})

function answer(outputTokens: number, padding = 0): string {
  const choices = [{ index: 0, finish_reason: 'stop', message: { content: 'x'.repeat(padding) } }]
  return JSON.stringify({ model: 'm-1', choices, usage: { prompt_tokens: 7, completion_tokens: outputTokens } })
}

function keyNamed(name: string): StoreKey {
  return storeKey('tenant', 'default', name)
}

const input = {
  method: 'POST',
  path,
  query: '',
  headers: [],
  mediaType: '',
  contentEncoding: '',
  body: Buffer.alloc(0),
}
const terms: Omit<ClaimTerms, 'key'> = {
  raw: rawFingerprint(createKeyedHash(Buffer.alloc(32)), input),
  owner: 'A'.repeat(22),
  leaseMs: 60_000,
  retentionMs: 60_000,
  onCrash: 'rerun',
  maxAttempts: 3,
  label: { operation: 'default', tenant: 'tenant00' },
}

/** An outcome in the store; not `sealed`, one that is still being written. */
async function record(name: string, body: string, sealed = true): Promise<OutcomeToRead> {
  const key = keyNamed(name)
  const claim = await store.claim({ ...terms, key })
  if (claim.kind !== 'acquired') throw new Error(`the claim is ${claim.kind}`)
  const bytes = Buffer.concat([encodeHead(head), Buffer.from(body)])
  if (sealed) await store.complete(key, claim.token, { offsetBytes: 0, bytes })
  else await store.append(key, claim.token, { offsetBytes: 0, bytes })
  return { key, fence: claim.token.fence, path }
}

function useOf(report: Report | undefined): RecordedUse {
  return { model: report?.model ?? 'asked for', saved: { output: report?.usage?.outputTokens ?? -1 } }
}

async function read(outcome: OutcomeToRead, times = 1): Promise<RecordedUse[]> {
  const uses: RecordedUse[] = []
  for (let at = 0; at < times; at++) usage.read(outcome, useOf, use => uses.push(use))
  expect(uses).toEqual([])
  await usage.idle()
  return uses
}

test('an outcome is read once for all who ask, and remembered', async () => {
  const outcome = await record('k', answer(9))
  const use = { model: 'm-1', saved: { output: 9 } }
  expect(await read(outcome, 3)).toEqual([use, use, use])
  expect(usage.remembered(outcome)).toEqual(use)
  expect(usage.remembered({ ...outcome, fence: outcome.fence + 1 })).toBe(undefined)
  expect(reads).toBeLessThanOrEqual(4)
})

test('one that its replay has brought along is not asked of the store', async () => {
  const bytes = Buffer.from(answer(4))
  const outcome = { key: keyNamed('k'), fence: 5, path, replay: { head, body: { kind: 'whole', bytes } as const } }
  expect(await read(outcome)).toEqual([{ model: 'm-1', saved: { output: 4 } }])
  expect(reads).toBe(0)
})

test('a large one is read piece by piece; one over 8 MiB is not read for its usage alone', async () => {
  expect(await read(await record('large', answer(5, 300_000)))).toEqual([{ model: 'm-1', saved: { output: 5 } }])
  reads = 0
  const unknown = [{ model: 'asked for', saved: { output: -1 } }]
  expect(await read(await record('huge', answer(5, 8_400_000)))).toEqual(unknown)
  expect(reads).toBe(1)
})

test('what is not whole yet, or cannot be read, is unknown, and asked again another time', async () => {
  const unknown = [{ model: 'asked for', saved: { output: -1 } }]
  const running = await record('running', answer(5).slice(0, 40), false)
  expect(await read(running)).toEqual(unknown)
  expect(usage.remembered(running)).toBe(undefined)
  const outcome = await record('k', answer(6))
  isGone = true
  expect(await read(outcome)).toEqual(unknown)
  isGone = false
  expect(await read(outcome)).toEqual([{ model: 'm-1', saved: { output: 6 } }])
  expect(await read({ ...outcome, fence: outcome.fence + 1 })).toEqual(unknown)
})

test('who waits for what is being read does not wait for what comes meanwhile; that is read, too', async () => {
  const bodies = Array.from({ length: 40 }, (_, at) => Buffer.from(answer(at)))
  let taken = 0
  const readNext = (at: number): void => {
    const bytes = bodies[at]
    if (bytes === undefined) return
    const replay = { head, body: { kind: 'whole', bytes } as const }
    usage.read({ key: keyNamed('k'), fence: at + 1, path, replay }, useOf, () => {
      taken++
      readNext(at + 1)
    })
  }
  readNext(0)
  await usage.idle()
  expect(taken).toBeLessThan(40)
  while (taken < 40) await usage.idle()
  expect(usage.remembered({ key: keyNamed('k'), fence: 40 })).toEqual({ model: 'm-1', saved: { output: 39 } })
})

test('at most 256 outcomes wait to be read, and 10,000 are remembered', async () => {
  const at = (fence: number): OutcomeToRead => ({ key: keyNamed('k'), fence, path })
  let unread = 0
  for (let fence = 1; fence <= 300; fence++) usage.read(at(fence), useOf, () => unread++)
  expect(unread).toBe(44)
  await usage.idle()
  expect(unread).toBe(300)
  for (let fence = 1; fence <= 10_001; fence++) usage.remember(at(fence), useOf(undefined))
  expect([usage.remembered(at(1)), usage.remembered(at(2))]).toEqual([undefined, useOf(undefined)])
})
