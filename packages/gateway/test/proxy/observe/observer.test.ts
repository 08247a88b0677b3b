import type { Fingerprint } from 'retrysafe/internal/fingerprint/fingerprint'
import { beforeEach, describe, expect, test } from 'vitest'
import { ManualTime } from '../../../../retrysafe/test/support/manual-time.ts'
import type { ObservedCall } from '../../../src/proxy/observe/observed-call.ts'
import { Observer, type SeenRequest } from '../../../src/proxy/observe/observer.ts'

let time: ManualTime
let lines: string[]
let observer: Observer
beforeEach(() => {
  time = new ManualTime()
  lines = []
  observer = look()
})

function look(maxRemembered = 1_000): Observer {
  return new Observer({ surroundings: time.process().surroundings, log: line => lines.push(line), maxRemembered })
}

const request: SeenRequest = {
  tenant: 'tenant-one',
  upstream: 'openai',
  path: '/v1/responses',
  upstreamPath: '/v1/responses',
  fingerprint: 'what it asks' as Fingerprint,
  key: undefined,
  forks: false,
  count: undefined,
  timeoutMs: undefined,
  retentionMs: 60_000,
  windowMs: 10_000,
  goesOn: undefined,
}
const other = 'something else' as Fingerprint

function see(more: Partial<SeenRequest>): ObservedCall {
  const call = observer.open()
  observer.compare(call, { ...request, ...more })
  return call
}

const usage = { inputTokens: 2, outputTokens: 3, cachedInputTokens: undefined, cacheWriteTokens: undefined }

function succeed(call: ObservedCall): void {
  call.ended({ succeeded: true, report: { model: 'm-1', usage } })
}

function fail(call: ObservedCall): void {
  call.ended({ succeeded: false, report: undefined })
}

/** Its upstream was stopped with it. */
function leave(call: ObservedCall, isAnswered = false): void {
  call.left(isAnswered)
  fail(call)
}

function found(): Record<string, number> {
  const sums: Record<string, number> = { requests: 0, key: 0, sdkRetry: 0, identical: 0, reused: 0 }
  for (const counts of observer.rows.values()) {
    for (const name of Object.keys(sums)) {
      const from = ['requests', 'reused'].includes(name) ? name : `${name}.seen`
      sums[name] = (sums[name] ?? 0) + (counts.get(from) ?? 0)
    }
  }
  return sums
}
const none = { requests: 0, key: 0, sdkRetry: 0, identical: 0, reused: 0 }

describe('with a key', () => {
  test('what comes while the first runs, and what comes after it, are duplicates; their own usage is what they cost', () => {
    const first = see({ key: 'k' })
    const joined = see({ key: 'k' })
    succeed(joined)
    expect(found()).toEqual(none)
    succeed(first)
    succeed(see({ key: 'k' }))
    expect(found()).toEqual({ ...none, requests: 3, key: 2 })
    const [counts] = observer.rows.values()
    expect([counts?.get('used.output'), counts?.get('key.output'), counts?.get('key.calls')]).toEqual([9, 6, 2])
  })

  test('a run that fails is no outcome: the next in line makes its own, and the one after that is its duplicate', () => {
    const first = see({ key: 'k' })
    const second = see({ key: 'k' })
    const third = see({ key: 'k' })
    succeed(second)
    fail(first)
    succeed(third)
    expect(found()).toEqual({ ...none, requests: 3, key: 1 })
  })

  test('a client that left would have had its run go on: its retry is a duplicate', () => {
    leave(see({ key: 'k' }))
    succeed(see({ key: 'k' }))
    expect(found()).toEqual({ ...none, requests: 2, key: 1 })
  })

  test('an outcome is kept for the retention, from its end', async () => {
    const first = see({ key: 'k' })
    await time.advance(30_000)
    succeed(first)
    await time.advance(60_000)
    succeed(see({ key: 'k' }))
    await time.advance(1)
    succeed(see({ key: 'k' }))
    expect(found()).toEqual({ ...none, requests: 3, key: 1 })
  })

  test('another payload is a key used twice, and no duplicate; under fork a call of its own', () => {
    succeed(see({ key: 'k' }))
    succeed(see({ key: 'k', fingerprint: other }))
    succeed(see({ key: 'f', forks: true }))
    succeed(see({ key: 'f', forks: true, fingerprint: other }))
    succeed(see({ key: 'f', forks: true, fingerprint: other }))
    expect(found()).toEqual({ ...none, requests: 5, key: 1, reused: 1 })
  })

  test('another tenant’s, and another upstream’s, is another key', () => {
    succeed(see({ key: 'k' }))
    succeed(see({ key: 'k', tenant: 'tenant-two' }))
    succeed(see({ key: 'k', upstream: 'anthropic' }))
    expect(found()).toEqual({ ...none, requests: 3 })
  })
})

describe('an SDK that counts its attempts', () => {
  test('comes again after its client had left: each of the chain is a duplicate', () => {
    leave(see({ count: 0 }))
    leave(see({ count: 1 }))
    succeed(see({ count: 2 }))
    expect(found()).toEqual({ ...none, requests: 3, sdkRetry: 2 })
  })

  test('comes again after an answer: that is none', () => {
    fail(see({ count: 0 }))
    succeed(see({ count: 1 }))
    expect(found()).toEqual({ ...none, requests: 2 })
  })

  test('comes again after it broke off a stream: it had the head of it', () => {
    leave(see({ count: 0 }), true)
    succeed(see({ count: 1 }))
    expect(found()).toEqual({ ...none, requests: 2 })
  })

  test('each attempt is taken once, by the count after its own', () => {
    leave(see({ count: 0 }))
    succeed(see({ count: 2 }))
    succeed(see({ count: 1, tenant: 'tenant-two' }))
    expect(found()).toEqual({ ...none, requests: 3 })
    succeed(see({ count: 1 }))
    expect(found().sdkRetry).toBe(1)
    // A second one of the same count is not the retry of that attempt, but what any identical request is.
    succeed(see({ count: 1 }))
    expect(found()).toEqual({ ...none, requests: 5, sdkRetry: 1, identical: 1 })
  })

  test('is paired for two minutes after its client left', async () => {
    leave(see({ count: 0 }))
    await time.advance(120_000)
    leave(see({ count: 1 }))
    await time.advance(120_001)
    succeed(see({ count: 2 }))
    expect(found()).toEqual({ ...none, requests: 3, sdkRetry: 1 })
  })

  test.each([
    [249, { ...none, requests: 2, sdkRetry: 1 }],
    // Answered to a client that was still there, as far as anybody knew.
    [250, { ...none, requests: 2, identical: 1 }],
  ])('whose disconnect was %i ms on its way', async (ms, expected) => {
    const first = see({ count: 0 })
    const second = see({ count: 1 })
    succeed(second)
    await time.advance(ms)
    leave(first)
    await time.advance(1_000)
    expect(found()).toEqual(expected)
  })

  test('whose own time-out is over by a second is gone, though its socket says nothing', async () => {
    const silent = see({ count: 0, timeoutMs: 2_000 })
    await time.advance(3_001)
    succeed(see({ count: 1 }))
    fail(silent)
    expect(found()).toEqual({ ...none, requests: 2, sdkRetry: 1 })
  })
})

describe('without a key or a count', () => {
  test('identical requests within the window are told apart from the rest', async () => {
    succeed(see({}))
    await time.advance(10_000)
    succeed(see({}))
    await time.advance(1)
    succeed(see({}))
    succeed(see({ fingerprint: other }))
    succeed(see({ tenant: 'tenant-two' }))
    expect(found()).toEqual({ ...none, requests: 5, identical: 1 })
  })

  test('a run whose client left is stopped, unless somebody else has joined it', () => {
    leave(see({}))
    const second = see({})
    const joined = see({})
    leave(second)
    succeed(joined)
    expect(found()).toEqual({ ...none, requests: 3, identical: 1 })
  })

  test('a key and none are never compared', () => {
    succeed(see({ key: 'k' }))
    succeed(see({}))
    expect(found()).toEqual({ ...none, requests: 2 })
  })
})

test('where runs end with their clients, who comes again is no duplicate; where they go on, each is', () => {
  const leftAndBack = (more: Partial<SeenRequest>): void => {
    leave(see(more))
    succeed(see({ ...more, ...(more.count === 0 && { count: 1 }) }))
  }
  for (const more of [{ key: 'k' }, { count: 0 }, { fingerprint: other }]) leftAndBack({ ...more, goesOn: false })
  expect(found()).toEqual({ ...none, requests: 6 })
  const more = { goesOn: true, upstream: 'anthropic' }
  leftAndBack({ ...more, key: 'k' })
  leftAndBack({ ...more, count: 0 })
  leftAndBack({ ...more, fingerprint: other })
  expect(found()).toEqual({ requests: 12, key: 1, sdkRetry: 1, identical: 1, reused: 0 })
})

test('what happens before a request can be compared counts as if it came after', () => {
  const first = observer.open()
  leave(first)
  const second = observer.open()
  succeed(second)
  observer.compare(first, { ...request, count: 0 })
  observer.compare(second, { ...request, count: 1 })
  expect(found()).toEqual({ ...none, requests: 2, sdkRetry: 1 })
})

test('what is remembered is bounded, and the log says once that it overflows', () => {
  observer = look(10)
  for (let at = 0; at < 30; at++) succeed(see({ key: `k${at}` }))
  succeed(see({ key: 'k29' }))
  succeed(see({ key: 'k0' }))
  expect(found()).toEqual({ ...none, requests: 32, key: 1 })
  expect(observer.forgotten).toBe(21)
  expect(lines).toEqual([expect.stringContaining('more than 10 keys and requests')])
})

test('a minute in which something was found is one line; others are none', async () => {
  succeed(see({ key: 'k' }))
  await time.advance(60_000)
  expect(lines).toEqual([])
  succeed(see({ key: 'k' }))
  succeed(see({ key: 'k', fingerprint: other }))
  succeed(see({}))
  succeed(see({}))
  await time.advance(60_000)
  await time.advance(60_000)
  expect(lines).toEqual([
    'observing: of 4 requests 1 were duplicates that would not have been run (1 by key, 0 by retry count; 5 tokens); 1 more had an identical request without a key, 1 a used key with another payload. All of it: retrysafe stats',
  ])
  expect(time.waitingTimers).toBe(0)
})
