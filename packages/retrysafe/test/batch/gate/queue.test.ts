import { expect, test } from 'vitest'
import { Queue } from '../../../src/batch/gate/queue.ts'

test('those that come again take turns with the new ones, each in the order of coming', async () => {
  const queue = new Queue<string>(() => {})
  const { signal } = new AbortController()
  const order: string[] = []
  const waiting = (['new 1', 'new 2', 'new 3', 'again 1', 'again 2', 'again 3', 'again 4'] as const).map(async name => {
    await queue.wait(signal, 0, name.startsWith('again'))
    order.push(name)
  })
  expect(queue.size).toBe(7)
  for (let first = queue.first; first !== undefined; first = queue.first) first.settle('your turn')
  await Promise.all(waiting)
  expect(order).toEqual(['again 1', 'new 1', 'again 2', 'new 2', 'again 3', 'new 3', 'again 4'])
  expect(queue.size).toBe(0)
})

test('who leaves by a signal is told undefined, and the others keep their turns', async () => {
  let left = 0
  const queue = new Queue<string>(() => {
    left++
  })
  const [going, staying] = [new AbortController(), new AbortController()]
  const gone = [queue.wait(going.signal, 0), queue.wait(going.signal, 0, true)]
  const stays = queue.wait(staying.signal, 0)
  going.abort()
  expect(await Promise.all(gone)).toEqual([undefined, undefined])
  expect([left, queue.size]).toEqual([1, 1])
  queue.first?.settle('your turn')
  expect(await stays).toBe('your turn')
})
