import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import type { BatchOptions } from '../../src/batch/index.ts'
import { readBatchRules } from '../../src/batch/options.ts'
import { runBatch } from '../../src/batch/run-batch.ts'
import { createRetrysafe } from '../../src/index.ts'
import { gate } from '../functions/stage.ts'
import { echo, openStage, worded } from './batch-stage.ts'

describe('a batch that is run again', () => {
  test('pays for nothing that is done, however often, wherever its items have moved to', async () => {
    const stage = openStage()
    expect(await stage.run(['a', 'b', 'c'])).toEqual(['done: answer to a', 'done: answer to b', 'done: answer to c'])
    expect((await stage.run(['c', 'a', 'b'])).sort()).toEqual([
      'replayed: answer to a',
      'replayed: answer to b',
      'replayed: answer to c',
    ])
    await stage.run(['a', 'b', 'c'])
    expect(stage.sent).toEqual(['a', 'b', 'c'])
  })

  test('pays for what was inserted and what was changed, and for that alone', async () => {
    const { safe } = openStage()
    const sent: string[] = []
    const send = ({ text }: Doc): string => {
      sent.push(text)
      return text
    }
    type Doc = { customId: string; text: string }
    const runs: Doc[][] = [
      [
        { customId: '1', text: 'one' },
        { customId: '2', text: 'two' },
      ],
      [
        { customId: '0', text: 'zero' },
        { customId: '1', text: 'one' },
        { customId: '2', text: 'two, changed' },
      ],
    ]
    const keys: string[] = []
    for (const docs of runs) for await (const { key } of runBatch(docs, { batchId: 'b', safe, send })) keys.push(key)
    expect(sent).toEqual(['one', 'two', 'zero', 'two, changed'])
    expect(new Set(keys).size).toBe(4)
  })

  test('under another name pays anew', async () => {
    const stage = openStage()
    await stage.run(['a'])
    expect(await stage.run(['a'], { batchId: 'another' })).toEqual(['done: answer to a'])
  })

  test('equal items without custom id are each run, once', async () => {
    const stage = openStage()
    const items = ['same', 'same', 'other', 'same']
    await stage.run(items)
    expect(stage.sent).toEqual(items)
    await stage.run(items)
    expect(stage.sent.length).toBe(4)
    await stage.run([...items, 'same'])
    expect(stage.sent).toEqual([...items, 'same'])
  })

  test('three restarts, each broken off somewhere else, pay once for every item', async () => {
    const stage = openStage()
    const items = Array.from({ length: 200 }, (_, index) => `item ${index}`)
    for (const most of [20, 70, 130]) {
      let taken = 0
      for await (const _ of stage.start(items)) if (++taken >= most) break
    }
    expect(await stage.run(items)).toHaveLength(200)
    expect([...stage.sent].sort()).toEqual([...items].sort())
  })
})

describe('results', () => {
  test('say what the item was, and what became of it', async () => {
    const stage = openStage()
    const results = stage.start(['a'], { customId: item => `doc ${item}` })
    expect((await results.next()).value).toEqual({
      kind: 'done',
      index: 0,
      item: 'a',
      customId: 'doc a',
      key: 'b:doc%20a%23ac8d8342bbb2362d13f0a559a3621bb4',
      value: 'answer to a',
      replayed: false,
      tries: 1,
    })
    expect(await results.next()).toEqual({ done: true, value: undefined })
  })

  test('come as they are there, or in the order of the items', async () => {
    const orders: string[][] = []
    for (const order of ['completion', 'input'] as const) {
      const stage = openStage()
      const slow = gate()
      const send = async (item: string): Promise<string> => {
        if (item === 'slow') await slow.opened
        else if (stage.sent.length === 3) slow.open()
        return item
      }
      orders.push(await stage.run(['slow', 'b', 'c'], { order, send }))
    }
    expect(orders).toEqual([
      ['done: b', 'done: c', 'done: slow'],
      ['done: slow', 'done: b', 'done: c'],
    ])
  })

  test('in the order of the items wait for one that takes long, in bounded number, and none is lost', async () => {
    const stage = openStage()
    const slow = gate()
    const items = Array.from({ length: 1_000 }, (_, index) => `item ${index}`)
    const send = async (item: string): Promise<string> => {
      if (item === 'item 0') await slow.opened
      return item
    }
    const run = stage.run(items, { order: 'input', concurrency: 2, send })
    // Windows of 20: 8 of them.
    await eventually(() => stage.sent.length).toBe(160)
    slow.open()
    expect(await run).toEqual(items.map(item => `done: ${item}`))
  })

  test('that nobody takes stop the batch; memory holds two windows', async () => {
    const stage = openStage()
    let asked = 0
    function* items(): Generator<string> {
      for (;;) yield `item ${asked++}`
    }
    const results = stage.start(items(), { concurrency: 2 })
    await results.next()
    await eventually(() => stage.sent.length).toBe(41)
    expect(asked).toBe(41)
    await results.return()
  })

  test('an item that cannot be compared is refused with what to do', async () => {
    const { safe } = openStage()
    const options = { batchId: 'b', safe, send: () => '' }
    const results = runBatch([{ customId: 'x', at: new URL('http://host') }], options)
    await expect(results.next()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message:
        'item 0 of the batch: item.at is an instance of a class, and cannot be compared; say what counts of it: runBatch(items, { fingerprint: item => … })',
    })
    const withIt = runBatch([new URL('http://host')], { ...options, fingerprint: url => url.href })
    expect((await withIt.next()).value).toMatchObject({ kind: 'done', value: '' })
  })
})

describe('a batch ends', () => {
  test('by break: what is sent is finished and recorded, nothing else is sent, the source is closed', async () => {
    const stage = openStage()
    const last = gate()
    let closed = false
    function* items(): Generator<string> {
      try {
        for (let index = 0; ; index++) yield `item ${index}`
      } finally {
        closed = true
      }
    }
    const send = async (item: string): Promise<string> => {
      if (item === 'item 1') await last.opened
      return item
    }
    const results = stage.start(items(), { concurrency: 2, send })
    await results.next()
    const ended = results.return()
    await eventually(() => closed).toBe(true)
    const sentAtBreak = [...stage.sent]
    last.open()
    await ended
    expect(stage.sent).toEqual(sentAtBreak)
    const states = (await stage.records()).map(({ state }) => state)
    expect(states).toEqual(sentAtBreak.map(() => 'completed'))
  })

  test('by its signal: the results of what was sent still come', async () => {
    const stage = openStage()
    const stop = new AbortController()
    const first = gate()
    const send = async (item: string): Promise<string> => {
      await first.opened
      return item
    }
    const run = stage.run(['a', 'b', 'c', 'd'], { concurrency: 2, signal: stop.signal, send })
    await eventually(() => stage.sent.length).toBe(2)
    stop.abort()
    first.open()
    expect(await run).toEqual(['done: a', 'done: b'])
    // What was claimed and not sent is free.
    expect(await stage.records()).toHaveLength(2)
    expect(await stage.run(['x'], { signal: AbortSignal.abort() })).toEqual([])
    expect(stage.sent).toEqual(['a', 'b'])
  })

  test('by its source: what runs is finished and given before the error comes', async () => {
    const stage = openStage()
    const late = gate()
    async function* items(): AsyncGenerator<string> {
      yield 'a'
      yield 'b'
      await eventually(() => stage.sent.length).toBe(2)
      late.open()
      throw new Error('the database is gone')
    }
    const send = async (item: string): Promise<string> => {
      await late.opened
      return item
    }
    const given: string[] = []
    const run = (async () => {
      for await (const result of stage.start(items(), { send })) given.push(worded(result))
    })()
    await expect(run).rejects.toThrow('the database is gone')
    expect(given).toEqual(['done: a', 'done: b'])
  })

  test('while its source waits for ever', async () => {
    const stage = openStage()
    const stop = new AbortController()
    async function* items(): AsyncGenerator<string> {
      yield 'a'
      await new Promise(() => {})
    }
    const results = stage.start(items(), { signal: stop.signal })
    expect(worded((await results.next()).value ?? expect.fail())).toBe('done: answer to a')
    const end = results.next()
    stop.abort()
    expect(await end).toEqual({ done: true, value: undefined })
  })

  test('by a custom id that came before', async () => {
    const stage = openStage()
    const run = stage.run(['a', 'b', 'c'], { customId: item => (item === 'b' ? 'one' : 'two'), send: echo })
    await expect(run).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: 'item 2 of the batch: its custom id "two" is that of item 0, too',
    })
  })

  test('by a function of the developer that fails, with which item it was', async () => {
    const stage = openStage()
    const customId = (): string => {
      throw new Error('no such column')
    }
    await expect(stage.run(['a'], { customId })).rejects.toMatchObject({
      code: 'CALLBACK_FAILED',
      message: 'The customId (of item 0) function failed.',
    })
    await expect(stage.run(['a'], { sizeOf: () => Number.NaN })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(stage.sent).toEqual([])
  })

  test('by a Retrysafe that was closed', async () => {
    const stage = openStage()
    await stage.safe.close()
    await expect(stage.run(['a'])).rejects.toMatchObject({ code: 'DRAINING' })
  })
})

test('no more is sent at once than may be, and items are taken by their bytes', async () => {
  const stage = openStage()
  const all = gate()
  let most = 0
  let now = 0
  const send = async (): Promise<string> => {
    most = Math.max(most, ++now)
    await all.opened
    now--
    return ''
  }
  const items = Array.from({ length: 30 }, (_, index) => `item ${index}`)
  const run = stage.run(items, { concurrency: 3, send })
  await eventually(() => stage.sent.length).toBe(3)
  all.open()
  await run
  expect(most).toBe(3)
  const large = openStage()
  let asked = 0
  function* heavy(): Generator<string> {
    for (; asked < 10; ) yield `heavy ${asked++}`
  }
  const held = gate()
  const heavyRun = large.run(heavy(), { sizeOf: () => 40_000_000, send: () => held.opened.then(() => '') })
  await eventually(() => large.sent.length).toBe(2)
  expect(asked).toBe(2)
  held.open()
  expect(await heavyRun).toHaveLength(10)
})

test.each<[Partial<BatchOptions<string, string>>, string]>([
  [{ batchId: '' }, 'batchId is required'],
  [{ batchId: 'x'.repeat(1_001) }, 'batchId is required'],
  [{ concurrency: 0 }, 'concurrency takes a whole number from 1 to 10000, not 0'],
  [{ order: 'random' as never }, "order takes 'completion' or 'input', not \"random\""],
  [{ retries: 101 }, 'retries takes a whole number from 0 to 100, not 101'],
  [{ retries: 1, ambiguousRetries: 2 }, 'ambiguousRetries (2) is more than retries (1)'],
  [{ onCrash: 'fail', ambiguousRetries: 1 }, "ambiguousRetries takes 0 where onCrash is 'fail'"],
  [{ tokensPerMinute: 5 }, 'tokensPerMinute says something only with tokens'],
  [{ tokens: {} as never }, 'tokens takes { estimate, used }, two functions'],
  [{ signal: {} as never }, 'signal takes an AbortSignal'],
  [{ baseDelayMs: 100, maxDelayMs: 10 }, 'baseDelayMs (100) is more than maxDelayMs (10)'],
  [{ honoursKeys: 'yes' as never }, 'honoursKeys takes true or false'],
  [{ safe: {} as never }, 'safe takes what createRetrysafe() gave'],
  [{ customId: 'id' as never }, 'customId takes a function'],
  [{ adaptive: 1 as never }, 'adaptive takes true or false'],
  [{ paralel: 3 } as never, 'runBatch() does not know the option paralel'],
])('%j is refused before anything is read', (options, message) => {
  const stage = openStage()
  const items = { [Symbol.iterator]: (): never => expect.fail('it was read') }
  expect(() => stage.start(items, options)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
  )
})

test('what createRetrysafe says of the policy holds here too; where it says nothing, ten runs of an item may die', () => {
  const send = (): string => ''
  const policies = [{}, { maxAttempts: 3, retentionMs: 5_000 }].map(given => {
    const safe = createRetrysafe({ store: 'memory:', ...given })
    return readBatchRules({ batchId: 'b', safe, send }).policy
  })
  expect(policies).toEqual([
    { leaseMs: 30_000, retentionMs: 86_400_000, onCrash: 'rerun', maxAttempts: 10 },
    { leaseMs: 30_000, retentionMs: 5_000, onCrash: 'rerun', maxAttempts: 3 },
  ])
})
