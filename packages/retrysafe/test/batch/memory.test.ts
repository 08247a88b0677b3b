import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { runBatch } from '../../src/batch/run-batch.ts'
import { createRetrysafe } from '../../src/index.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

test('the heap stays as it is, however many items there are', async () => {
  const path = mkdtempSync(join(tmpdir(), 'retrysafe-batch-'))
  const safe = createRetrysafe({ store: `lmdb:${path}` })
  onTestFinished(async () => {
    await safe.close()
    rmSync(path, { recursive: true, force: true })
  })
  function* items(): Generator<{ customId: string; prompt: string }> {
    for (let index = 0; index < 30_000; index++) yield { customId: `doc-${index}`, prompt: 'p'.repeat(200) }
  }
  const heapBytes: number[] = []
  let count = 0
  const options = { batchId: 'b', safe, concurrency: 100, send: ({ customId }: { customId: string }) => customId }
  for await (const result of runBatch(items(), options)) {
    if (result.kind !== 'done') throw result.error
    if (++count % 10_000 !== 0) continue
    collect()
    heapBytes.push(process.memoryUsage().heapUsed)
  }
  expect(count).toBe(30_000)
  const [first = 0, , last = 0] = heapBytes
  // 100 bytes kept of each of 20,000 items would be 2 MB.
  expect(last - first).toBeLessThan(2_000_000)
}, 120_000)
