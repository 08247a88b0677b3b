import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import { beforeEach, describe, expect, test } from 'vitest'
import { ManualTime } from '../../../retrysafe/test/support/manual-time.ts'
import { Outage } from '../../src/proxy/outage.ts'

const gone = new RetrysafeError('STORE_UNAVAILABLE', 'connection refused')

let time: ManualTime
let lines: string[]
/** How tries of the store go, from now on. */
let store: 'there' | 'gone' | 'full'
let tries: number
let answers: number
beforeEach(() => {
  time = new ManualTime()
  lines = []
  store = 'gone'
  tries = 0
  answers = 0
})

function watchOutage(policy: 'closed' | 'open' = 'open'): Outage {
  return new Outage({
    policy,
    surroundings: time.process().surroundings,
    log: line => lines.push(line),
    answered: () => answers++,
    async tryStore() {
      tries++
      if (store === 'gone') throw gone
      if (store === 'full') throw new RetrysafeError('STORE_FULL', 'no room')
    },
  })
}

const begun =
  'the store is out of reach: requests with a key are passed through, without protection, until it is back (--on-store-error open): connection refused'

test('is told by two lines, however many requests it meets, and counts them', async () => {
  const outage = watchOutage()
  for (let at = 0; at < 1_000; at++) {
    outage.met(gone)
    outage.countPassed()
  }
  outage.countRefused()
  await time.advance(60_000)
  expect(lines).toEqual([begun])
  expect(tries).toBeGreaterThan(40)
  expect(tries).toBeLessThan(120)
  store = 'there'
  await time.advance(10_000)
  expect(lines).toEqual([
    begun,
    expect.stringMatching(
      /^the store is back after 6[01]\.\d s; requests with a key meanwhile: 1000 passed through, 1 refused$/,
    ),
  ])
  expect(time.waitingTimers).toBe(0)
})

test('the next one is told and counted anew', async () => {
  const outage = watchOutage('closed')
  for (const count of [3, 2]) {
    store = 'gone'
    outage.met(gone)
    for (let at = 0; at < count; at++) outage.countRefused()
    await time.advance(1)
    store = 'there'
    await time.advance(10_000)
  }
  const begin = 'requests with a key are refused until it is back (--on-store-error closed): connection refused'
  expect(lines).toEqual([
    `the store is out of reach: ${begin}`,
    expect.stringContaining('0 passed through, 3 refused'),
    `the store is out of reach: ${begin}`,
    expect.stringContaining('0 passed through, 2 refused'),
  ])
})

test('a step that fails alone, and no request with it, is not worth a line', async () => {
  store = 'there'
  const outage = watchOutage()
  outage.met(gone)
  await time.advance(10_000)
  expect([lines, tries]).toEqual([[], 2])
})

describe('it is certain', () => {
  test('only once a try was not answered either, and no longer than to the first one that is', async () => {
    const outage = watchOutage()
    expect(outage.isCertain).toBe(false)
    outage.met(gone)
    expect(outage.isCertain).toBe(false)
    await time.advance(0)
    expect(outage.isCertain).toBe(true)
    store = 'there'
    await time.advance(1_500)
    expect(outage.isCertain).toBe(false)
  })

  test('not for a step that failed alone', async () => {
    store = 'there'
    const outage = watchOutage()
    outage.met(gone)
    await time.advance(0)
    expect([tries, outage.isCertain]).toEqual([1, false])
  })

  test('not while the store refuses: it is full, but there', async () => {
    store = 'full'
    const outage = watchOutage()
    outage.met(gone)
    await time.advance(0)
    expect([answers, outage.isCertain]).toEqual([1, false])
  })
})

test('steps that go unanswered between two tries that are not keep it going', async () => {
  store = 'there'
  const outage = watchOutage()
  for (let at = 0; at < 50; at++) {
    outage.met(gone)
    outage.countPassed()
    await time.advance(500)
  }
  expect(lines).toEqual([begun])
  await time.advance(5_000)
  expect(lines).toHaveLength(2)
})

test.each([
  ['after a try', [begun]],
  ['in the middle of one', []],
])('closed, it says and asks nothing more: %s', async (when, told) => {
  const outage = watchOutage()
  outage.met(gone)
  if (when === 'after a try') await time.advance(0)
  outage.close()
  outage.met(gone)
  outage.countRefused()
  await time.advance(60_000)
  expect([lines, tries, time.waitingTimers]).toEqual([told, 1, 0])
})
