import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { type BatchRunner, startBatch } from '../../support/batch-runner.ts'
import { machineMs, makeProcessFolder } from '../../support/process-figures.ts'
import { startSandbox } from '../../support/sandbox.ts'
import { customIdOf, lineOf, writeInput } from './batch-input.ts'
import { expectWholeOutput, readOutput } from './batch-verdict.ts'

// Kills by the clock, not by what was paid: they meet a runner while it starts, reads and rewrites its output, sends, and
// sorts. `npm run chaos:batch` makes 50 of them.

const kills = process.env.ITEMS === undefined ? 5 : 50
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const items = 300

test('killed at any moment, also while it reads, rewrites and sorts its output: each item is there once, in order', {
  timeout: 60_000 + kills * 6_000,
}, async () => {
  const sandbox = await startSandbox(0, ['--idempotent', '--fault', 'delay=2ms'])
  const folder = makeProcessFolder()
  const [input, output, store] = ['in.jsonl', 'out.jsonl', 'store'].map(name => join(folder.path, name))
  if (input === undefined || output === undefined || store === undefined) throw new Error('three names, three paths')
  writeInput(input, items)
  let runner: BatchRunner | undefined
  onTestFinished(async () => {
    await runner?.kill()
    await sandbox.stop()
    folder.remove()
  })
  const flags = ['--base-url', sandbox.url, '--store', `lmdb:${store}`, '--order', 'input', '--max-attempts', '100']
  const run = async (out: string, killAfterMs?: number): Promise<number | null> => {
    const life = startBatch([input, '--out', out, ...flags])
    runner = life
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => void life.kill(), killAfterMs)
    const { code, signal, stderr } = await life.ended
    clearTimeout(timer)
    expect([signal === 'SIGKILL' ? 0 : code, stderr.includes(' failed:')]).toEqual([0, false])
    return code
  }
  // As long as a whole run takes here and now, the moments reach over all of it.
  const beganMs = machineMs()
  await run(join(folder.path, 'other.jsonl'))
  const wholeMs = machineMs() - beganMs
  const random = seededRandom(seed)
  const killAgain = async (): Promise<void> => {
    for (let kill = 0; kill < kills; kill += 1) await run(output, wholeMs * (0.2 + 0.9 * random.unit()))
    expect(await run(output)).toBe(0)
  }
  const runs = async (): Promise<number> => (await sandbox.meter.all()).runs
  await killAgain()
  expectWholeOutput(output, items)
  expect(await runs()).toBe(2 * items)

  // Backwards, without its last five lines, and with a new one: all that is there moves, and some of it must go.
  const lines = readFileSync(input, 'utf8').trimEnd().split('\n').slice(0, -5).reverse()
  writeFileSync(input, [...lines, lineOf(items), ''].join('\n'))
  await killAgain()
  const order = readOutput(output).map(line => line.custom_id)
  const backwards = Array.from({ length: items - 5 }, (_, item) => customIdOf(items - 6 - item))
  expect(order).toEqual([...backwards, customIdOf(items)])
  expect(await runs()).toBe(2 * items + 1)
  console.log(`batch: killed ${2 * kills}× by the clock within ${Math.round(wholeMs)} ms, seed ${seed}`)
})
