import { expect, test } from 'vitest'
import { Queue } from '../../../src/batch/gate/queue.ts'

test('those that come again take turns with the new ones, each in the order of coming', async () => {
  const queue = new Queue<string>(() => {})
  const { signal } = new AbortController()
  const order: string[] = []
  const waiting = (['new 1', 'new 2', 'new 3', 'again 1', 'again 2', 'again 3', 'again 4'] as const).map(async name => {
    await queue.wait(signal, 0, name.startsWith('again') ? 1 : 0)
    order.push(name)
  })
  expect(queue.size).toBe(7)
  for (let first = queue.first; first !== undefined; first = queue.first) first.settle('your turn')
  await Promise.all(waiting)
  expect(order).toEqual(['again 1', 'new 1', 'again 2', 'new 2', 'again 3', 'new 3', 'again 4'])
  expect(queue.size).toBe(0)
})

test('who tries for all is in turns a new one, and the one that was sent most often', async () => {
  const queue = new Queue<string>(() => {})
  const { signal } = new AbortController()
  const order: string[] = []
  const waiting = [0, 0, 1, 2, 3, 3].map(async (tries, at) => {
    await queue.wait(signal, 0, tries)
    order.push(`${at}: ${tries}`)
  })
  for (let probe = queue.probe; probe !== undefined; probe = queue.probe) probe.settle('your turn')
  await Promise.all(waiting)
  expect(order).toEqual(['4: 3', '0: 0', '5: 3', '1: 0', '3: 2', '2: 1'])
})

test('who leaves by a signal is told undefined, and the others keep their turns', async () => {
  let left = 0
  const queue = new Queue<string>(() => {
    left++
  })
  const [going, staying] = [new AbortController(), new AbortController()]
  const gone = [queue.wait(going.signal, 0), queue.wait(going.signal, 0, 1)]
  const stays = queue.wait(staying.signal, 0)
  going.abort()
  expect(await Promise.all(gone)).toEqual([undefined, undefined])
  expect([left, queue.size]).toEqual([1, 1])
  queue.first?.settle('your turn')
  expect(await stays).toBe('your turn')
})
