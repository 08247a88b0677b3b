import { expect, test, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { RetrysafeError } from '../../src/engine/errors.ts'
import type { Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { type Gate, gate, handleOf, onlyRecord } from '../functions/stage.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { AnswerError, openStage, worded } from './batch-stage.ts'

interface Sending {
  readonly store: Store
  readonly run: Promise<string[]>
  readonly answer: Gate<string>
  readonly signal: AbortSignal
  readonly sent: readonly string[]
}

/** A batch of one item that is sent and waits for its answer. */
async function sending(): Promise<Sending> {
  const store = memoryStore()
  const stage = openStage(handleOf(store))
  const answer = gate<string>()
  let signal: AbortSignal | undefined
  // Of a second: what an operator does is heard within a third of one.
  const run = stage.run(['a'], {
    leaseMs: 1_000,
    send(_, context) {
      signal = context.signal
      return answer.opened
    },
  })
  await eventually(() => signal !== undefined).toBe(true)
  return { store, run, answer, signal: signal ?? expect.fail(), sent: stage.sent }
}

async function purge(store: Store): Promise<void> {
  const { id, fence } = await onlyRecord(store)
  expect(await store.purge(id, fence, { force: true })).toBe('ok')
}

test('an item whose record an operator removed keeps the answer that it waited for', async () => {
  const { store, run, answer, signal, sent } = await sending()
  await purge(store)
  await eventually(() => signal.aborted).toBe(true)
  answer.open('mine')
  expect(await run).toEqual(['done: mine'])
  expect(sent).toEqual(['a'])
})

test('an item that another runner has by now gets the answer of that one', async () => {
  const { store, run, answer } = await sending()
  await purge(store)
  const theirs = gate<string>()
  const other = openStage(handleOf(store))
  const otherRun = other.run(['a'], { send: () => theirs.opened })
  await eventually(() => other.sent.length).toBe(1)
  theirs.open('theirs')
  expect(await otherRun).toEqual(['done: theirs'])
  expect(await run).toEqual(['replayed: theirs'])
  answer.open('mine')
})

test.each([
  ['what it throws then is its failure, and it is not sent again', new AnswerError(500), 'failed: 500'],
  ['an answer that comes all the same is given', 'late', 'done: late'],
])('an item that an operator cancelled: %s', async (_, comes, result) => {
  const { store, run, answer, signal, sent } = await sending()
  const { id, fence } = await onlyRecord(store)
  expect(await store.cancel(id, fence)).toBe('ok')
  await eventually(() => signal.aborted).toBe(true)
  expect(signal.reason).toMatchObject({ code: 'LEASE_LOST' })
  answer.open(typeof comes === 'string' ? comes : (Promise.reject(comes) as never))
  expect(await run).toEqual([result])
  expect(sent).toEqual(['a'])
})

test('an item that an operator cancelled between two tries is not sent again', async () => {
  const store = memoryStore()
  const stage = openStage(handleOf(store))
  const send = (): never => {
    throw new AnswerError(500, { 'retry-after': '2' })
  }
  const run = stage.run(['a'], { leaseMs: 1_000, send })
  await eventually(() => stage.events.length).toBe(1)
  const { id, fence } = await onlyRecord(store)
  expect(await store.cancel(id, fence)).toBe('ok')
  expect(await run).toEqual(['failed: LEASE_LOST'])
  expect(stage.sent).toEqual(['a'])
})

test('a store that is gone for a moment ends no batch, and what could not begin gives its turn back', async () => {
  const faulty = faultyStore(memoryStore())
  const stage = openStage(faulty.store)
  // The engine asks twice by itself; then the item asks anew. The first mark is lost as well.
  faulty.next('claim', { kind: 'reject' }, { kind: 'reject' })
  faulty.next('renew', { kind: 'reject' })
  // One turn in all: one that is not given back would end everything.
  const results = await stage.run(['a', 'b', 'c'], { concurrency: 1, onCrash: 'fail', order: 'input' })
  expect(results).toEqual(['done: answer to a', 'done: answer to b', 'done: answer to c'])
  expect([...stage.sent].sort()).toEqual(['a', 'b', 'c'])
})

test('a store that is full ends the batch once what was sent is done', async () => {
  const store = memoryStore()
  const stage = openStage(store)
  const answer = gate()
  const given: string[] = []
  async function* items(): AsyncGenerator<string> {
    yield 'a'
    await eventually(() => stage.sent.length).toBe(1)
    vi.spyOn(store, 'claim').mockImplementation(async () => {
      answer.open()
      throw new RetrysafeError('STORE_FULL', 'no room')
    })
    yield 'b'
  }
  const send = async (item: string): Promise<string> => {
    await answer.opened
    return item
  }
  const run = (async () => {
    for await (const result of stage.start(items(), { send })) given.push(worded(result))
  })()
  await expect(run).rejects.toMatchObject({ code: 'STORE_FULL' })
  expect([given, stage.sent]).toEqual([['done: a'], ['a']])
})
