import { expect, it } from 'vitest'
import { RetrysafeError } from '../../../src/engine/errors.ts'
import { Batcher } from '../../../src/stores/postgres/batcher.ts'

interface Request {
  readonly name: string
  readonly bytes: number
}

/** A sender whose batches are answered when the test says so. */
function makeSender() {
  const sent: { names: string; answer: () => void; fail: (error: Error) => void }[] = []
  const send = (names: string) =>
    new Promise<string>((resolve, reject) => {
      sent.push({ names, answer: () => resolve(names), fail: reject })
    })
  let nowMs = 0
  const batcher = new Batcher<Request, string>({
    one: ({ name }) => {
      if (name === 'unspeakable') throw new TypeError(name)
      return send(name)
    },
    async many(requests) {
      if (requests.some(({ name }) => name === 'unspeakable')) throw new TypeError('unspeakable')
      await send(requests.map(({ name }) => name).join(' '))
      return requests.map(({ name }) => name)
    },
    nameOf: ({ name }) => name,
    bytesOf: ({ bytes }) => bytes,
    patienceMs: 1_000,
    monotonicMs: () => nowMs,
  })
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { batcher, sent, pass, add: (name: string, bytes = 1) => batcher.add({ name, bytes }) }
}

const turn = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)))
const names = (count: number, prefix = 'k') => Array.from({ length: count }, (_, at) => `${prefix}${at}`)

it('sends one that comes alone at once', async () => {
  const { sent, add } = makeSender()
  const answer = add('a')
  await turn()
  expect(sent.map(batch => batch.names)).toEqual(['a'])
  sent[0]?.answer()
  expect(await answer).toBe('a')
})

it('sends three side by side, and four together', async () => {
  const three = makeSender()
  names(3).map(name => three.add(name))
  await turn()
  expect(three.sent.map(batch => batch.names)).toEqual(['k0', 'k1', 'k2'])
  const four = makeSender()
  names(4).map(name => four.add(name))
  await turn()
  expect(four.sent.map(batch => batch.names)).toEqual(['k0 k1 k2 k3'])
})

it('never puts one name twice into a batch', async () => {
  const { sent, add } = makeSender()
  for (const name of ['a', 'b', 'a', 'c', 'd', 'a']) void add(name)
  await turn()
  expect(sent.map(batch => batch.names)).toEqual(['a b c d', 'a', 'a'])
})

it('answers each its own, also after a failure', async () => {
  const { sent, add } = makeSender()
  const answers = names(5).map(name => add(name))
  await turn()
  sent[0]?.fail(new RetrysafeError('STORE_UNAVAILABLE', 'gone'))
  for (const answer of answers) await expect(answer).rejects.toThrow('gone')
  const later = names(5).map(name => add(name))
  await turn()
  sent.at(-1)?.answer()
  expect(await Promise.all(later)).toEqual(names(5))
})

it('bounds a batch by requests and by bytes', async () => {
  const { sent, add } = makeSender()
  for (const name of names(1_000)) void add(name)
  await turn()
  expect(Math.max(...sent.map(batch => batch.names.split(' ').length))).toBe(200)
  const large = makeSender()
  for (const name of names(8)) void large.add(name, 3_000_000)
  await turn()
  expect(large.sent.every(batch => !batch.names.includes(' '))).toBe(true)
})

it('lets a request that the server refuses fail alone', async () => {
  const { sent, add } = makeSender()
  const answers = names(5).map(name => add(name))
  await turn()
  sent[0]?.fail(new RetrysafeError('REQUEST_INVALID', 'no such value'))
  await turn()
  expect(sent.map(batch => batch.names)).toEqual(['k0 k1 k2 k3 k4', 'k0', 'k1', 'k2', 'k3', 'k4'])
  sent[3]?.fail(new RetrysafeError('REQUEST_INVALID', 'no such value'))
  for (const batch of sent) batch.answer()
  const told = await Promise.allSettled(answers)
  expect(told.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
})

it.each([1, 5])('lets one of %d that cannot be put into a statement fail alone, and goes on', async company => {
  const { sent, add } = makeSender()
  for (let times = 0; times < 4; times++) {
    const bad = add('unspeakable')
    const good = names(company - 1).map(name => add(name))
    await expect(bad).rejects.toThrow('unspeakable')
    for (const batch of sent.splice(0)) batch.answer()
    await Promise.all(good)
  }
  const answer = add('a')
  await turn()
  sent[0]?.answer()
  expect(await answer).toBe('a')
})

it('keeps nobody waiting behind a server that fell silent', async () => {
  const { sent, add, pass } = makeSender()
  const first = names(600).map(name => add(name))
  await turn()
  const behind = names(5_000, 'late').map(name => add(name))
  pass(900)
  const young = add('young')
  pass(101)
  for (const batch of sent.splice(0)) batch.fail(new RetrysafeError('STORE_UNAVAILABLE', 'silent'))
  const told = await Promise.allSettled([...first, ...behind])
  expect(told.every(({ status }) => status === 'rejected')).toBe(true)
  await turn()
  expect(sent.map(batch => batch.names)).toEqual(['young'])
  sent[0]?.answer()
  expect(await young).toBe('young')
})
