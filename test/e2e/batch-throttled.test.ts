import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeInput } from '../fault/batch/batch-input.ts'
import { expectWholeOutput } from '../fault/batch/batch-verdict.ts'
import { startBatch } from '../support/batch-runner.ts'
import { makeStoreFolder } from '../support/gateway.ts'
import { startSandbox } from '../support/sandbox.ts'

test('a provider that refuses each call once (429): what was refused need not wait for all that is new', async () => {
  const sandbox = await startSandbox(0, ['--fault', 'status=429,times=1'])
  onTestFinished(sandbox.stop)
  const folder = makeStoreFolder()
  const [input, output] = [join(folder, 'in.jsonl'), join(folder, 'out.jsonl')]
  writeInput(input, 60)
  const store = `lmdb:${join(folder, 'store')}`
  const runner = startBatch([input, '--out', output, '--base-url', sandbox.url, '--store', store, '--retries', '0'])
  onTestFinished(async () => void (await runner.kill()))
  expect((await runner.ended).code).toBe(0)
  expectWholeOutput(output, 60)
  const { runs, failed } = await sandbox.meter.all()
  expect([runs, failed]).toEqual([60, 60])
})
