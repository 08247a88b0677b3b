import { expect, test } from 'vitest'
import { canonicalBody } from '../../src/fingerprint/canonical-body.ts'
import type { Caller } from '../../src/server/caller.ts'
import type { Failure } from '../../src/server/failure.ts'
import { KeyedCall } from '../../src/server/keyed-call.ts'
import { perform } from '../../src/server/perform.ts'
import { Retries } from '../../src/server/retries.ts'
import type { Run } from '../../src/server/run.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { openManualEngine } from '../support/engines.ts'
import { type FaultyStore, faultyStore } from '../support/faulty-store.ts'
import { ManualTime } from '../support/manual-time.ts'

/** What an upstream does with one run. */
type Effect = (run: Run) => void

const unreachable: Effect = run => run.end(failureOf('free'))
const cut: Effect = run => run.end(failureOf('broken'))

function failureOf(end: Failure['end']): Failure {
  return { end, problem: () => ({ code: 'UPSTREAM_UNREACHABLE', detail: 'none' }) }
}

function answer(status: number, body: string): Effect {
  return run => {
    const retryAfter = { retryAfter: undefined, retryAfterMs: undefined }
    const bytes = Buffer.from(body)
    const length = { contentLength: bytes.byteLength, endsByClose: false }
    const head = { status, headers: [], replayable: [], mediaType: 'text/plain', retryAfter, ...length }
    run.head(head, head)
    run.data(bytes)
    run.end(undefined)
  }
}

interface Stage {
  readonly time: ManualTime
  readonly faulty: FaultyStore
  /** What callers were shown, and when each run began, in ms from the start. */
  readonly shown: string[]
  readonly begunAtMs: number[]
  readonly leaving: AbortController
}

/** A call whose runs meet these effects, one each, the last one for good. */
async function performWith(
  effects: readonly Effect[],
  terms: { retries: number; stainlessTimeout?: string; maxAttempts?: number },
): Promise<Stage> {
  const time = new ManualTime()
  const faulty = faultyStore(memoryStore({ clock: time.clock }))
  const { engine, process } = await openManualEngine(time, faulty.store)
  const { surroundings } = process
  const startedMs = time.clock.monotonicMs()
  const shown: string[] = []
  const begunAtMs: number[] = []
  const leaving = new AbortController()
  const call = new KeyedCall({
    policy: { leaseMs: 30_000, retentionMs: 60_000, onCrash: 'rerun', maxAttempts: terms.maxAttempts ?? 3 },
    fingerprintKey: engine.identity.fingerprintKey,
    canonicalBody,
    operation: 'test',
    tenant: 'tenant00',
    key: 'k',
    input: { method: 'POST', path: '/', query: '', headers: [], mediaType: '', contentEncoding: '', body: Buffer.of() },
    waitMs: 0,
    retries: terms.retries,
    gone: () => leaving.signal,
  })
  const wait = {
    retrysafeWait: '0',
    prefer: undefined,
    stainlessTimeout: terms.stainlessTimeout,
    stainlessReadTimeout: undefined,
  }
  const performing = perform({
    engine,
    call,
    tenant: 'tenant00',
    caller: callerOf(shown),
    notice: outcome => ({ outcome, key: 'k' }),
    path: '/',
    recordStatus: [{ from: 200, to: 299 }],
    names: { maxWaiters: 'maxWaiters', maxResult: 'maxResultBytes' },
    surroundings,
    retries: new Retries(call, wait, surroundings),
    dispatch(run) {
      const effect = effects[begunAtMs.length] ?? effects.at(-1)
      begunAtMs.push(time.clock.monotonicMs() - startedMs)
      queueMicrotask(() => effect?.(run))
    },
  })
  performing.catch((error: unknown) => shown.push(`rejected ${String(error)}`))
  return { time, faulty, shown, begunAtMs, leaving }
}

function callerOf(shown: string[]): Caller {
  const say = (what: string): void => void shown.push(what)
  return {
    problem: ({ code }) => say(`problem ${code}`),
    failed: (_, { code }) => say(`failed ${code}`),
    whole: ({ status }, body) => say(`whole ${status} ${Buffer.from(body)}`),
    replay: async () => say('replay'),
    live: async () => say('live'),
    relay({ status }) {
      let text = ''
      return {
        write(bytes) {
          text += Buffer.from(bytes)
          return true
        },
        end: () => say(`relay ${status} ${text}`),
        cut: () => say(`cut ${status} ${text}`),
      }
    },
    breakOff: () => say('break off'),
  }
}

test('an upstream that cannot be reached is tried again after a pause that grows, also by who waits for nobody', async () => {
  const { time, shown, begunAtMs } = await performWith([unreachable, unreachable, unreachable, answer(200, 'ok')], {
    retries: 3,
  })
  await time.advance(10_000)
  expect(shown).toEqual(['whole 200 ok'])
  const pauses = begunAtMs.slice(1).map((atMs, at) => atMs - (begunAtMs[at] ?? 0))
  expect(pauses).toHaveLength(3)
  for (const [at, mostMs] of [500, 1_000, 2_000].entries()) {
    expect(pauses[at]).toBeGreaterThan(0)
    expect(pauses[at]).toBeLessThan(mostMs)
  }
})

test('the last failure is shown once all are used up, and only that one', async () => {
  const effects = [answer(500, 'one'), unreachable, answer(503, 'three')]
  const { time, shown, begunAtMs } = await performWith(effects, { retries: 2 })
  await time.advance(10_000)
  expect(shown).toEqual(['relay 503 three'])
  expect(begunAtMs).toHaveLength(3)
})

test('runs of which nobody knows the outcome end with the attempts, and the caller gets its own failure', async () => {
  const { time, shown, begunAtMs } = await performWith([cut], { retries: 10, maxAttempts: 2 })
  await time.advance(60_000)
  expect(shown).toEqual(['failed UPSTREAM_UNREACHABLE'])
  expect(begunAtMs).toHaveLength(2)
})

test('a store that goes away between two runs: the failure is shown, and nothing is sent', async () => {
  const { time, faulty, shown, begunAtMs } = await performWith([answer(500, 'one'), answer(200, 'two')], { retries: 3 })
  // It has run once by then, and waits.
  await time.advance(0)
  faulty.always('claim', { kind: 'reject' })
  await time.advance(60_000)
  expect(shown).toEqual(['relay 500 one'])
  expect(begunAtMs).toHaveLength(1)
})

test('a client that would not wait for it gets the failure while it still listens', async () => {
  const { time, shown, begunAtMs } = await performWith([unreachable], { retries: 10, stainlessTimeout: '1' })
  await time.advance(750)
  expect(shown).toEqual(['failed UPSTREAM_UNREACHABLE'])
  expect(begunAtMs.length).toBeLessThan(11)
})

test('nobody runs again for a client that has left', async () => {
  const { time, shown, begunAtMs, leaving } = await performWith([unreachable], { retries: 10 })
  await time.advance(0)
  leaving.abort()
  await time.advance(60_000)
  expect([shown, begunAtMs.length]).toEqual([[], 1])
})
