import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { ItemReader } from '../../src/batch/batch-item.ts'
import type { Gate } from '../../src/batch/gate/gate.ts'
import type { BatchEvent } from '../../src/batch/index.ts'
import { ItemTries } from '../../src/batch/item-tries.ts'
import { type BatchRules, readBatchRules } from '../../src/batch/options.ts'
import type { Attempt } from '../../src/engine/attempt.ts'
import { gate } from '../functions/stage.ts'
import { AnswerError, networkError, openStage, type StageOptions } from './batch-stage.ts'

/** What one item comes to whose tries go as scripted, and then well; and what its record says then. */
async function tried(script: readonly unknown[], options: StageOptions = {}): Promise<readonly unknown[]> {
  const stage = openStage()
  const left = [...script]
  const send = (item: string): string => {
    if (left.length > 0) throw left.shift()
    return item
  }
  const [result] = await stage.run(['a'], { send, ...options })
  const [record] = await stage.records()
  return [result, stage.sent.length, record === undefined ? 'free' : `${record.state} ${record.attempt}`]
}

const answer = (status: number, headers: Record<string, string> = {}): AnswerError => new AnswerError(status, headers)
const times = (count: number, error: unknown): unknown[] => Array.from({ length: count }, () => error)
const cut = networkError('ECONNRESET')

/** All tries of an item at a gate that lets everybody in at once: the real one would make it a matter of minutes. */
async function runOpen(rules: BatchRules<string, string>, patienceMs = Number.POSITIVE_INFINITY): Promise<string> {
  const open: Gate = {
    enter: async () => ({ leave: () => {} }),
    limit: 1,
    inFlight: 0,
    heldMs: () => 0,
    patienceMs: () => patienceMs,
    lastTrouble: undefined,
    spell: { isEverybodys: false },
  }
  const { signal } = new AbortController()
  const item = new ItemReader<string>(rules, true).read('a', 0)
  const tries = new ItemTries({ rules, gate: open, stop: signal, tell: () => {} }, item)
  const attempt = { mayTryAgain: async () => true, isCancelled: false } as Attempt
  await tries.enter()
  return tries.run(attempt, signal)
}

describe('an item', () => {
  test.each<[string, readonly unknown[], StageOptions, readonly unknown[]]>([
    ['refused for good fails at once, and is free', [answer(400)], {}, ['failed: 400', 1, 'free']],
    ['is refused for good at its second try', [answer(500), answer(400)], {}, ['failed: 400', 2, 'free']],
    ['outlasts 4 failures', times(4, answer(500)), {}, ['done: a', 5, 'completed 1']],
    ['is set aside at the fifth, not counted', times(5, answer(500)), {}, ['failed: 500', 5, 'open 0']],
    ['has as many retries as it is given', times(3, answer(409)), { retries: 2 }, ['failed: 409', 3, 'open 0']],
    ['has none', [answer(500)], { retries: 0 }, ['failed: 500', 1, 'open 0']],
    [
      'outlasts refusals for everybody',
      times(3, answer(429, { 'retry-after-ms': '1' })),
      { retries: 0 },
      ['done: a', 4, 'completed 1'],
    ],
    [
      'whose gateway finds nobody is not to blame',
      times(3, Object.assign(answer(502), { code: 'UPSTREAM_UNREACHABLE' })),
      { retries: 0 },
      ['done: a', 4, 'completed 1'],
    ],
    [
      'whose gateway is still at work on it waits for that',
      times(6, Object.assign(answer(409), { code: 'IN_FLIGHT' })),
      { retries: 0 },
      ['done: a', 7, 'completed 1'],
    ],
    ['was not answered, once', [cut], {}, ['done: a', 2, 'completed 1']],
    ['was not answered twice: may have run, counted', [cut, cut], {}, ['failed: undefined', 2, 'open 1']],
    ['is not sent again where it must not be', [cut], { ambiguousRetries: 0 }, ['failed: undefined', 1, 'open 1']],
    ['a proxy has no answer for', [answer(504), answer(502)], {}, ['failed: 502', 2, 'open 1']],
    ['is sent on where keys are honoured', times(4, cut), { honoursKeys: true }, ['done: a', 5, 'completed 1']],
    [
      'is set aside there too, not counted',
      times(5, cut),
      { honoursKeys: () => true },
      ['failed: undefined', 5, 'open 0'],
    ],
    ['once unanswered may have run, whatever is said later', [cut, answer(400)], {}, ['failed: 400', 2, 'open 1']],
    ['meets a mistake in send', [new TypeError('no')], {}, ['failed: undefined', 1, 'open 1']],
    ['under fail is not sent again: unknown', [cut], { onCrash: 'fail' }, ['failed: undefined', 1, 'unknown 1']],
    [
      'under fail outlasts what was answered',
      times(4, answer(500)),
      { onCrash: 'fail' },
      ['done: a', 5, 'completed 1'],
    ],
    ['under fail is free once refused', [answer(400)], { onCrash: 'fail' }, ['failed: 400', 1, 'free']],
  ])('%s', async (_, script, options, expected) => {
    expect(await tried(script, options)).toEqual(expected)
  })

  test('that nobody could take is not to blame', async () => {
    expect(await tried([networkError('ECONNREFUSED'), answer(400)], { retries: 0 })).toEqual(['failed: 400', 2, 'free'])
  })

  test('that meets nothing but refusals for everybody is set aside after 100', async () => {
    const { safe } = openStage()
    let sends = 0
    const send = (): never => {
      sends++
      throw answer(429)
    }
    const rules = readBatchRules({ batchId: 'b', safe, send, baseDelayMs: 0 })
    await expect(runOpen(rules)).rejects.toMatchObject({ end: 'failed', why: { kind: 'failed' } })
    expect(sends).toBe(101)
  })

  test('waits no longer between its tries than nothing but trouble is borne', async () => {
    const { safe } = openStage()
    const script: unknown[] = times(8, answer(429))
    const send = (): string => {
      if (script.length > 0) throw script.shift()
      return 'done'
    }
    const rules = readBatchRules({ batchId: 'b', safe, send, baseDelayMs: 60_000 })
    expect(await runOpen(rules, 0)).toBe('done')
  })

  test('whose result nobody can keep fails, and may have run', async () => {
    const uncloneable = (): string => (() => {}) as never
    expect(await tried([], { send: uncloneable })).toEqual(['failed: RESULT_NOT_SERIALIZABLE', 1, 'open 1'])
    async function* stream(): AsyncGenerator<string> {
      yield 'a'
    }
    expect(await tried([], { send: () => stream() as never })).toEqual(['failed: RESULT_NOT_SERIALIZABLE', 1, 'open 1'])
  })
})

test('a failed item is tried again by the next run, and what is unknown is not', async () => {
  const stage = openStage()
  const send = (): never => {
    throw cut
  }
  await stage.run(['a'], { send, onCrash: 'fail' })
  expect(await stage.run(['a'], { onCrash: 'fail' })).toEqual(['failed: OUTCOME_UNKNOWN'])
  await stage.run(['b'], { send, ambiguousRetries: 0 })
  expect(await stage.run(['b'])).toEqual(['done: answer to b'])
  expect(stage.sent).toEqual(['a', 'b', 'b'])
})

test('what may have run is not repeated more often than maxAttempts says', async () => {
  const stage = openStage()
  const send = (): never => {
    throw cut
  }
  const options = { send, ambiguousRetries: 0, maxAttempts: 2 }
  const runs = [await stage.run(['a'], options), await stage.run(['a'], options), await stage.run(['a'], options)]
  expect(runs.flat()).toEqual(['failed: undefined', 'failed: undefined', 'failed: OUTCOME_UNKNOWN'])
  expect(stage.sent.length).toBe(2)
})

test('every failed try is told, with what follows', async () => {
  const stage = openStage()
  const errors = [answer(500, { 'retry-after-ms': '3' }), answer(400)]
  const send = (): never => {
    throw errors[stage.sent.length - 1]
  }
  await stage.run(['a'], { send, customId: () => 'one' })
  const told = stage.events.filter((event): event is Extract<BatchEvent, { kind: 'try failed' }> => {
    return event.kind === 'try failed'
  })
  expect(told.map(({ customId, tries, next, delayMs }) => [customId, tries, next, delayMs])).toEqual([
    ['one', 1, 'retry', 3],
    ['one', 2, 'fail', 0],
  ])
})

test('send is told its key, its try and its item; the key is the same at every try and in every run', async () => {
  const stage = openStage()
  const told: unknown[] = []
  const send: StageOptions['send'] = (_, { idempotencyKey, attempt, customId, index, signal }) => {
    told.push([idempotencyKey, attempt, customId, index, signal.aborted])
    throw told.length === 1 ? answer(500) : answer(400)
  }
  await stage.run(['a'], { send })
  await stage.run(['a'], { send })
  const key = 'b:ac8d8342bbb2362d13f0a559a3621bb4%231'
  expect(told).toEqual([
    [key, 1, undefined, 0, false],
    [key, 2, undefined, 0, false],
    [key, 1, undefined, 0, false],
  ])
})

test('a batch that ends meanwhile leaves an item that waits for its next try, and it is free', async () => {
  const stage = openStage()
  const stop = new AbortController()
  const send = (): never => {
    throw answer(500, { 'retry-after': '60' })
  }
  const run = stage.run(['a'], { send, signal: stop.signal })
  await eventually(() => stage.events.length).toBe(1)
  stop.abort()
  expect(await run).toEqual([])
  expect((await stage.records()).map(({ state, attempt }) => [state, attempt])).toEqual([['open', 0]])
})

test('a duplicate that another runner has is waited for, and not paid again', async () => {
  const stage = openStage()
  const first = gate()
  const here = stage.run(['a'], { send: item => first.opened.then(() => item) })
  await eventually(() => stage.sent.length).toBe(1)
  const there = stage.run(['a'])
  first.open()
  expect(await Promise.all([here, there])).toEqual([['done: a'], ['replayed: a']])
  expect(stage.sent).toEqual(['a'])
})

test('nobody there for as long as is borne ends the batch, and says what was the matter', async () => {
  const stage = openStage()
  const send = (): never => {
    throw networkError('ECONNREFUSED')
  }
  const run = stage.run(['a', 'b', 'c'], { send, giveUpMs: 1_000 })
  await expect(run).rejects.toMatchObject({
    code: 'UPSTREAM_UNREACHABLE',
    message: expect.stringMatching(/^batch b: nothing answers any more; the last trouble: TypeError: fetch failed/),
  })
  expect(await stage.records()).toEqual([])
})
