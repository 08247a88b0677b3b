import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { seededRandom } from '../../../packages/retrysafe/test/support/manual-time.ts'
import { type BatchRunner, startBatch } from '../../support/batch-runner.ts'
import { findFreePort } from '../../support/free-port.ts'
import { machineMs, makeProcessFolder } from '../../support/process-figures.ts'
import { type Program, startProgram } from '../../support/program.ts'
import { startSandbox } from '../../support/sandbox.ts'
import { itemCostUsd, writeInput } from './batch-input.ts'
import { expectWholeOutput } from './batch-verdict.ts'
import { type MeterFile, openMeterFile } from './meter-file.ts'

/** Also the most calls that are in flight at a kill. */
export const concurrency = 16

export interface KillTerms {
  readonly title: string
  readonly items: number
  readonly seed: number
  readonly runnerKills: number
  /** Where in the batch, 0 to 1, instead of by chance. */
  readonly at?: number
  /** Of the gateway between runner and sandbox; without it the runner is straight at the sandbox. */
  readonly gatewayKills?: number
  /** Whether the sandbox honours keys. */
  readonly idempotent?: boolean
  readonly flags?: readonly string[]
}

export interface KillRun {
  readonly output: string
  /** Paid runs beyond one an item. */
  readonly extra: number
  /** Paid runs of the key that was paid most often. */
  readonly mostOfOneKey: number
  readonly keys: number
}

interface Kill {
  readonly whom: 'runner' | 'gateway'
  /** Paid runs after which it comes. */
  readonly atRuns: number
}

/**
 * A batch whose runner is killed again and again, and its gateway, too, each started anew with the identical command
 * and on what the dead one left. Nothing is cleaned up in between.
 */
export async function killBatch(terms: KillTerms): Promise<KillRun> {
  const folder = makeProcessFolder()
  const [input, output, meterFile] = ['in.jsonl', 'out.jsonl', 'meter.jsonl'].map(name => join(folder.path, name))
  if (input === undefined || output === undefined || meterFile === undefined)
    throw new Error('three names, three paths')
  writeInput(input, terms.items)
  const honours = terms.idempotent === true ? ['--idempotent'] : []
  const sandbox = await startSandbox(0, ['--meter-file', meterFile, '--fault', 'delay=5ms', ...honours])
  const meter = openMeterFile(meterFile)
  const isStraight = terms.gatewayKills === undefined
  const gateway = isStraight ? undefined : await openGateway(sandbox.url, join(folder.path, 'gateway-store'))
  const command = commandOf(terms, { input, output, url: gateway?.url ?? sandbox.url, folder: folder.path })
  const start = (): BatchRunner => startBatch(command, { BATCH_KEY: 'sk-batch' })
  let runner = start()
  onTestFinished(async () => {
    await runner.kill()
    await gateway?.stop()
    await sandbox.stop()
    meter.close()
    folder.remove()
  })
  const startMs = machineMs()
  for (const { whom, atRuns } of killsOf(terms)) {
    await reach(meter, atRuns, runner)
    if (whom === 'gateway') await gateway?.restart()
    else {
      await runner.kill()
      runner = start()
    }
  }
  await expectDone(runner)
  expectWholeOutput(output, terms.items)
  const seen = judge(meter, terms.items)
  report(terms, seen, machineMs() - startMs)
  await expectNothingToDo(start, output, meter)
  return { output, ...seen }
}

async function expectDone(runner: BatchRunner): Promise<void> {
  const { code, stderr } = await runner.ended
  expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
}

/** The identical command once more: it sends nothing, and leaves the output as it is. */
async function expectNothingToDo(start: () => BatchRunner, output: string, meter: MeterFile): Promise<void> {
  const [before, runs] = [readFileSync(output), meter.runs()]
  await expectDone(start())
  expect(readFileSync(output).equals(before)).toBe(true)
  expect(meter.runs()).toBe(runs)
}

function commandOf(
  { flags = [] }: KillTerms,
  { input, output, url, folder }: { input: string; output: string; url: string; folder: string },
): string[] {
  const store = ['--store', `lmdb:${join(folder, 'runner-store')}`]
  const rest = ['--base-url', `${url}/v1`, '--api-key-env', 'BATCH_KEY', '--concurrency', String(concurrency)]
  return [input, '--out', output, ...rest, ...store, ...flags]
}

/** When whom: anywhere in the batch, its first and last hundredth aside, so that each kill finds work under way. */
function killsOf({ items, seed, runnerKills, gatewayKills = 0, at }: KillTerms): Kill[] {
  const random = seededRandom(seed)
  const whoms = [...Array<'runner'>(runnerKills).fill('runner'), ...Array<'gateway'>(gatewayKills).fill('gateway')]
  const kills = whoms.map(whom => ({ whom, atRuns: Math.ceil(items * (at ?? 0.01 + 0.98 * random.unit())) }))
  return kills.sort((one, other) => one.atRuns - other.atRuns)
}

/** Waits for so many paid runs; there is no other pace than the batch's own. */
async function reach(meter: MeterFile, runs: number, runner: BatchRunner): Promise<void> {
  let hasEnded = false
  void runner.ended.then(() => {
    hasEnded = true
  })
  while (meter.runs() < runs) {
    if (hasEnded) throw new Error(`the runner has ended at ${meter.runs()} runs: ${(await runner.ended).stderr}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

interface RestartedGateway {
  readonly url: string
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A gateway that comes back to its port and its store. */
async function openGateway(upstream: string, store: string): Promise<RestartedGateway> {
  const port = await findFreePort()
  const args = [
    'serve',
    '--upstream',
    upstream,
    '--port',
    String(port),
    '--admin-port',
    '0',
    '--store',
    `lmdb:${store}`,
  ]
  const start = (): Promise<Program> => startProgram(args)
  let program = await start()
  return {
    url: `http://127.0.0.1:${port}`,
    async restart() {
      await program.kill()
      program = await start()
    },
    stop: () => program.stop(),
  }
}

function judge(meter: MeterFile, items: number): Pick<KillRun, 'extra' | 'mostOfOneKey' | 'keys'> {
  const byKey = meter.runsByKey()
  const runs = [...byKey.values()]
  return {
    keys: byKey.size,
    extra: runs.reduce((sum, count) => sum + count, 0) - items,
    mostOfOneKey: runs.reduce((most, count) => Math.max(most, count), 0),
  }
}

function report(terms: KillTerms, { extra }: { readonly extra: number }, tookMs: number): void {
  const { title, items, seed, runnerKills, gatewayKills } = terms
  const killed = `runner killed ${runnerKills}×${gatewayKills === undefined ? '' : `, gateway ${gatewayKills}×`}`
  const spent = ((items + extra) * itemCostUsd).toFixed(4)
  const pass = (items * itemCostUsd).toFixed(4)
  console.log(
    `batch, ${title}: ${items} items, ${killed}, seed ${seed}, ${(tookMs / 1_000).toFixed(1)} s; ` +
      `${items + extra} paid runs, ${extra} more than items; spent ${spent} USD, one pass is ${pass} USD`,
  )
}
