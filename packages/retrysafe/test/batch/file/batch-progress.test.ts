import { expect, test } from 'vitest'
import { BatchRefusal } from '../../../src/batch/file/batch-line.ts'
import { ProgressMeter } from '../../../src/batch/file/batch-progress.ts'
import { RefusalStreak } from '../../../src/batch/file/refusal-streak.ts'
import { answerOf } from './file-stage.ts'

const facts = { batchId: 'b', input: 'in', output: 'out', errors: 'err' }
const answer = answerOf({ customId: 'a' })

/** A meter, and the time that it reads. */
function stage(): { meter: ProgressMeter; time: { ms: number } } {
  const time = { ms: 5_300 }
  const clock = { monotonicMs: () => time.ms, wallMs: () => 1_700_000_000_000 + time.ms }
  return { meter: new ProgressMeter(facts, clock, ({ replayed }) => (replayed ? undefined : 0.25)), time }
}

test('the rate is that of the last ten seconds, and says when the rest will be done', () => {
  const { meter, time } = stage()
  meter.total = 1_000
  meter.begin()
  expect(meter.snapshot()).toMatchObject({ perSecond: 0, elapsedMs: 0 })
  for (let each = 0; each < 100; each++) {
    time.ms += 100
    meter.succeed(answer, false)
  }
  expect(meter.snapshot()).toMatchObject({ perSecond: 10, etaMs: 90_000, done: 100, elapsedMs: 10_000 })
  for (let each = 0; each < 100; each++) {
    time.ms += 200
    meter.fail(false)
  }
  expect(meter.snapshot()).toMatchObject({ perSecond: 5, etaMs: 160_000, done: 100, failed: 100 })
  time.ms += 60_000
  expect(meter.snapshot()).toMatchObject({ perSecond: 0, elapsedMs: 90_000 })
  expect(meter.snapshot().etaMs).toBeUndefined()
})

test('what was kept counts as done, and not in the rate', () => {
  const { meter, time } = stage()
  meter.total = 3
  meter.keep(answer)
  meter.keep(answer)
  meter.begin()
  time.ms += 1_000
  expect(meter.snapshot()).toMatchObject({ done: 2, kept: 2, perSecond: 0, usdSpent: 0.5, usdSaved: 0.5 })
  meter.succeed(answer, false)
  expect(meter.snapshot()).toMatchObject({ done: 3, perSecond: 1, usdSpent: 0.75, inputTokens: 30, outputTokens: 15 })
  expect(meter.snapshot().etaMs).toBeUndefined()
})

test('what nobody knows is not a zero', () => {
  const { meter } = stage()
  meter.succeed({ ...answer, replayed: true }, true)
  expect(meter.snapshot()).toMatchObject({ usdSpent: null, withoutPrice: 1, usdSaved: null, replayed: 1 })
})

test('a hold runs out by itself, and its reason with it', () => {
  const { meter, time } = stage()
  meter.trouble = '429'
  meter.hold(2_000)
  time.ms += 500
  expect(meter.snapshot()).toMatchObject({ heldMs: 1_500, trouble: '429' })
  time.ms += 1_500
  expect(meter.snapshot().heldMs).toBe(0)
  expect(meter.snapshot().trouble).toBeUndefined()
})

test('where nothing is under way, the next try of an item is what all wait for', () => {
  const { meter, time } = stage()
  meter.begin()
  meter.pause('a', 40_000, '429')
  meter.pause('b', 3_000, '503')
  expect(meter.snapshot()).toMatchObject({ heldMs: 3_000, trouble: '503' })
  meter.send('c')
  expect(meter.snapshot()).toMatchObject({ heldMs: 0, inFlight: 1 })
  meter.inFlight--
  time.ms += 3_000
  expect(meter.snapshot()).toMatchObject({ heldMs: 37_000, trouble: '429' })
  meter.awaited = { count: 2, trouble: undefined }
  expect(meter.snapshot()).toMatchObject({ heldMs: 0, awaited: 2 })
  meter.awaited = { count: 0, trouble: undefined }
  meter.send('a')
  meter.inFlight--
  expect(meter.snapshot().heldMs).toBe(0)
  expect(meter.snapshot().trouble).toBeUndefined()
})

test('a batch is refused when its start is, with one status that would be the same for every item; later on by the key', () => {
  const refusal = (status: number): BatchRefusal =>
    new BatchRefusal({ status, headers: {}, requestId: undefined, body: '' })
  const noted = (...errors: unknown[]): (number | undefined)[] => {
    const streak = new RefusalStreak(3)
    return errors.map(error => streak.note(error))
  }
  const none = [undefined, undefined]
  expect(noted(refusal(401), refusal(401), refusal(401))).toEqual([...none, 401])
  expect(noted(refusal(404), refusal(404), refusal(404))).toEqual([...none, 404])
  expect(noted(refusal(400), refusal(400), refusal(400))).toEqual([...none, undefined])
  expect(noted(refusal(401), refusal(403), refusal(401), refusal(401), refusal(401))).toEqual([...none, ...none, 401])
  expect(noted(undefined, refusal(401), refusal(401), refusal(401))).toEqual([...none, undefined, 401])
  expect(noted(undefined, refusal(404), refusal(404), refusal(404))).toEqual([...none, ...none])
  expect(noted(undefined, refusal(401), refusal(401), undefined, refusal(401))).toEqual([...none, ...none, undefined])
  expect(noted(new Error('cut'), refusal(403), refusal(403), refusal(403))).toEqual([...none, ...none])
  expect(noted(refusal(404), undefined, refusal(404), refusal(404), refusal(404))).toEqual([
    ...none,
    ...none,
    undefined,
  ])
})
