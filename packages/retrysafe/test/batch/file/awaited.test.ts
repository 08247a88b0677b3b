import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import type { BatchProgress } from '../../../src/batch/file/batch-progress.ts'
import { runBatchFile } from '../../../src/batch/file/run-batch-file.ts'
import { createRetrysafe } from '../../../src/retrysafe.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { gate, handleOf } from '../../functions/stage.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { answerOf, FileStage } from './file-stage.ts'

test('items that another run has are told as waited for, until it has done them', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const answer = gate()
  const first = stage.run({ batchId: 'shared' }, async line => {
    await answer.opened
    return answerOf(line)
  })
  await eventually(() => stage.sent.length).toBe(2)
  let told: BatchProgress | undefined
  const output = join(stage.folder, 'second.jsonl')
  const second = stage.run({ batchId: 'shared', output, onProgress: progress => (told = progress) })
  await eventually(() => told).toMatchObject({ awaited: 2, inFlight: 0, heldMs: 0 })
  answer.open()
  expect(await first).toMatchObject({ done: 2, replayed: 0 })
  expect(await second).toMatchObject({ done: 2, replayed: 2 })
  expect(told?.awaited).toBeUndefined()
  expect(stage.sent.sort()).toEqual(['a', 'b'])
})

test('a store that is gone is told with what it says', async () => {
  const stage = new FileStage()
  stage.writeItems('a')
  const faulty = faultyStore(memoryStore())
  const safe = createRetrysafe({ store: handleOf(faulty.store) })
  onTestFinished(() => safe.close())
  // The engine asks twice by itself for each time that the item does.
  faulty.next('claim', ...Array.from({ length: 8 }, () => ({ kind: 'reject' }) as const))
  const told: BatchProgress[] = []
  const summary = await runBatchFile(stage.options({ safe, onProgress: progress => void told.push(progress) }))
  expect(summary).toMatchObject({ done: 1 })
  expect(told.find(progress => progress.awaited === 1)?.trouble).toBe(
    'claim: the connection was cut (a fault of the test)',
  )
  expect(summary.trouble).toBeUndefined()
})
