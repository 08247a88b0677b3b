import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { writeInput } from '../fault/batch/batch-input.ts'
import { expectWholeOutput } from '../fault/batch/batch-verdict.ts'
import { startBatch } from '../support/batch-runner.ts'
import { eventually } from '../support/eventually.ts'
import { makeStoreFolder, startGateway } from '../support/gateway.ts'
import { type Sandbox, startSandbox } from '../support/sandbox.ts'

// The articles' disaster of a batch: its job dies half way and is started again. What that costs by itself, and here.

const items = 60
const half = 30
const naive = fileURLToPath(new URL('naive-batch.mjs', import.meta.url))

interface Life {
  /** SIGKILL, and until it is gone. */
  kill(): Promise<unknown>
  /** Its exit code, at its own end. */
  end(): Promise<number | null>
}

interface Scene {
  readonly sandbox: Sandbox
  readonly input: string
  readonly output: string
  readonly folder: string
}

async function openScene(): Promise<Scene> {
  const sandbox = await startSandbox(0, ['--fault', 'delay=50ms'])
  onTestFinished(sandbox.stop)
  const folder = makeStoreFolder()
  const input = join(folder, 'in.jsonl')
  writeInput(input, items)
  return { sandbox, input, output: join(folder, 'out.jsonl'), folder }
}

/** A job that is killed half way and started again, until its end. @returns what it has spent in all */
async function killHalfWay({ sandbox }: Scene, start: () => Life): Promise<{ runs: number; costUsd: number }> {
  const first = start()
  await eventually(async () => (await sandbox.meter.all()).runs).toBeGreaterThanOrEqual(half)
  await first.kill()
  expect(await start().end()).toBe(0)
  const { runs, costUsd } = await sandbox.meter.all()
  return { runs, costUsd }
}

/** `retrysafe batch run`, the same command at every start. */
function ourBatch({ input, output, folder }: Scene, url: string): () => Life {
  const store = `lmdb:${join(folder, 'runner-store')}`
  return () => {
    const runner = startBatch([input, '--out', output, '--base-url', url, '--concurrency', '4', '--store', store])
    onTestFinished(async () => void (await runner.kill()))
    return { kill: runner.kill, end: async () => (await runner.ended).code }
  }
}

test('control: a batch job dies half way and is started again: half of it is paid twice', async () => {
  const scene = await openScene()
  const { runs, costUsd } = await killHalfWay(scene, () => {
    const child = spawn(process.execPath, [naive, scene.input, scene.output, scene.sandbox.url], { stdio: 'inherit' })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    return {
      kill() {
        child.kill('SIGKILL')
        return ended
      },
      end: async () => ((await ended) as [number | null])[0],
    }
  })
  expect(runs).toBeGreaterThanOrEqual(items + half)
  expect(costUsd).toBeGreaterThanOrEqual(0.0288)
})

test('a batch job dies half way and is started again: only the four calls in flight can be paid twice', async () => {
  const scene = await openScene()
  const { runs, costUsd } = await killHalfWay(scene, ourBatch(scene, scene.sandbox.url))
  expectWholeOutput(scene.output, items)
  expect(runs).toBeGreaterThanOrEqual(items)
  expect(runs).toBeLessThanOrEqual(items + 4)
  expect(costUsd).toBeLessThanOrEqual(0.020_48)
})

test('through a gateway: nothing is paid twice', async () => {
  const scene = await openScene()
  const gateway = await startGateway(scene.sandbox.url, ['--tenant', 'none'])
  onTestFinished(gateway.stop)
  const { runs, costUsd } = await killHalfWay(scene, ourBatch(scene, gateway.url))
  expectWholeOutput(scene.output, items)
  expect([runs, costUsd]).toEqual([60, 0.0192])
})

test('the output is lost, then the store: what either of them has is not paid again', async () => {
  const scene = await openScene()
  const start = ourBatch(scene, scene.sandbox.url)
  const runs = async (): Promise<number> => (await scene.sandbox.meter.all()).runs
  expect([await start().end(), await runs()]).toEqual([0, 60])
  rmSync(scene.output)
  expect([await start().end(), await runs()]).toEqual([0, 60])
  expectWholeOutput(scene.output, items)
  rmSync(join(scene.folder, 'runner-store'), { recursive: true })
  const lines = readFileSync(scene.output, 'utf8').split('\n')
  // Two whole lines and the beginning of a third.
  writeFileSync(scene.output, lines.slice(0, 3).join('\n').slice(0, -20))
  expect([await start().end(), await runs()]).toEqual([0, 118])
  expectWholeOutput(scene.output, items)
})
