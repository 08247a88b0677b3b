import { expect, test } from 'vitest'
import { openGate } from '../../src/batch/gate.ts'
import { processSurroundings } from '../../src/engine/surroundings.ts'

const rules = { concurrency: 2, adaptive: false, giveUpMs: 600_000, firstAnswerMs: 30_000 }
const going = new AbortController().signal

test('no more than the limit are inside, in the order of asking', async () => {
  const gate = openGate(rules, processSurroundings)
  const first = await gate.enter(going, 0)
  await gate.enter(going, 0)
  const admitted: number[] = []
  const third = gate.enter(going, 0).then(() => admitted.push(3))
  const fourth = gate.enter(going, 0).then(() => admitted.push(4))
  expect(gate.inFlight).toBe(2)
  if (typeof first !== 'object') throw new Error('the first may enter')
  first.leave({ kind: 'answered' })
  first.leave({ kind: 'answered' })
  await third
  expect(admitted).toEqual([3])
  expect(gate.inFlight).toBe(2)
  void fourth
})
