import { expect, test } from 'vitest'
import { createRetryBudget } from '../../src/client/budget.ts'
import { createFetch } from '../../src/client/fetch.ts'
import type { FetchOptions } from '../../src/client/options.ts'
import type { Timers } from '../../src/engine/clock.ts'
import { ManualTime } from '../support/manual-time.ts'
import { outcomeOf, post, scripted, url } from './scripted.ts'

const busy = new Response('busy', { status: 503 })

const failing = (options: FetchOptions, time = new ManualTime()): ReturnType<typeof scripted> =>
  scripted({ retries: 10, baseDelayMs: 0, ...options }, [busy], [], time)

test('is spent by retries, never by first attempts', async () => {
  const time = new ManualTime()
  const budget = createRetryBudget({ capacity: 3, perCall: 0, perSecond: 0, clock: time.clock })
  const { fetch, steps } = failing({ budget }, time)
  for (let call = 0; call < 3; call++) expect(await outcomeOf(fetch(url, post), time, 0)).toBe(503)
  expect(steps()).toEqual([0, 0, 0, 'budget', 'budget', 'budget'])
})

test('calls pay in', async () => {
  const time = new ManualTime()
  const budget = createRetryBudget({ capacity: 1, perCall: 0.5, perSecond: 0, clock: time.clock })
  const { fetch, steps } = failing({ budget }, time)
  for (let call = 0; call < 5; call++) await outcomeOf(fetch(url, post), time, 0)
  expect(steps()).toEqual([0, 'budget', 'budget', 0, 'budget', 'budget', 0, 'budget'])
})

test('time pays in, up to its capacity', async () => {
  const time = new ManualTime()
  const budget = createRetryBudget({ capacity: 2, perCall: 0, perSecond: 0.5, clock: time.clock })
  const withdrawn = (): number => {
    let count = 0
    while (budget.withdraw()) count += 1
    return count
  }
  expect(withdrawn()).toBe(2)
  time.jump(1_999)
  expect(withdrawn()).toBe(0)
  time.jump(1)
  expect(withdrawn()).toBe(1)
  time.jump(3_600_000)
  expect(withdrawn()).toBe(2)
})

test('is common to clients that share it', async () => {
  const time = new ManualTime()
  const budget = createRetryBudget({ capacity: 2, perCall: 0, perSecond: 0, clock: time.clock })
  const [one, other] = [failing({ budget, retries: 1 }, time), failing({ budget, retries: 10 }, time)]
  await outcomeOf(one.fetch(url, post), time, 0)
  await outcomeOf(other.fetch(url, post), time, 0)
  expect([one.steps(), other.steps()]).toEqual([
    [0, 'retries'],
    [0, 'budget'],
  ])
})

test('the one of the process ends at 500 in a burst; false is without a bound', async () => {
  /** Attempts of 7 calls with 100 retries each, that nobody waits for. */
  async function attempts(options: FetchOptions): Promise<number> {
    const timers: Timers = {
      after(delayMs, run) {
        if (delayMs === 0) queueMicrotask(run)
        return { cancel: () => {} }
      },
    }
    const surroundings = { ...new ManualTime().process().surroundings, timers }
    const answer = async (): Promise<Response> => busy.clone()
    const fetch = createFetch({ retries: 100, baseDelayMs: 0, surroundings, fetch: answer, ...options })
    for (let call = 0; call < 7; call++) await fetch(url, post)
    return fetch.counts().attempts
  }
  expect(await attempts({ budget: false })).toBe(707)
  const bounded = await attempts({})
  expect(bounded).toBeGreaterThanOrEqual(507)
  expect(bounded).toBeLessThan(600)
})
