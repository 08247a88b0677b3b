import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { writeInput } from '../fault/batch/batch-input.ts'
import { expectWholeOutput } from '../fault/batch/batch-verdict.ts'
import { type BatchRunner, startBatch } from '../support/batch-runner.ts'
import { eventually } from '../support/eventually.ts'
import { makeStoreFolder, startGateway } from '../support/gateway.ts'
import { isStopped } from '../support/process-figures.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { type Sandbox, startSandbox } from '../support/sandbox.ts'

// docs/batch.md, "What a restart costs": a runner that is killed at each of these moments, and the identical command.

const [plain, honouring] = await Promise.all([startSandbox(), startSandbox(0, ['--idempotent'])])
afterAll(() => Promise.all([plain.stop(), honouring.stop()]))

interface Job {
  readonly output: string
  start(...more: string[]): BatchRunner
  /** The code of the one item's error; undefined where there is none. */
  error(): string | undefined
}

/** A batch of `items` in a folder of its own, so that its keys are its own, too. */
function makeJob(url: string, items: number, ...flags: string[]): Job {
  const folder = makeStoreFolder()
  const [input, output, errors] = ['in.jsonl', 'out.jsonl', 'out.errors.jsonl'].map(name => join(folder, name))
  if (input === undefined || output === undefined || errors === undefined) throw new Error('three names, three paths')
  writeInput(input, items)
  const command = [input, '--out', output, '--base-url', url, '--store', `lmdb:${join(folder, 'store')}`, ...flags]
  return {
    output,
    start(...more) {
      const runner = startBatch([...command, ...more])
      onTestFinished(async () => void (await runner.kill()))
      return runner
    },
    error: () => (existsSync(errors) ? JSON.parse(readFileSync(errors, 'utf8')).error.code : undefined),
  }
}

const runsOf = async (sandbox: Sandbox, before: number): Promise<number> => (await sandbox.meter.all()).runs - before

/** Kills the runner when its item was sent and nothing has come. @returns its second life's exit code, and paid runs */
async function killUnanswered(
  sandbox: Sandbox,
  url: string,
  fault: string,
  ...flags: string[]
): Promise<[Job, number | null, number]> {
  const before = await runsOf(sandbox, 0)
  const job = makeJob(url, 1, '--header', `Sandbox-Fault: ${fault},times=1`, ...flags)
  const first = job.start()
  await eventually(() => runsOf(sandbox, before)).toBe(1)
  await first.kill()
  const { code } = await job.start().ended
  return [job, code, await runsOf(sandbox, before)]
}

test('sent, not answered: 2 runs where nobody honours keys', async () => {
  const [job, code, runs] = await killUnanswered(plain, plain.url, 'hang')
  expect([code, runs]).toEqual([0, 2])
  expectWholeOutput(job.output, 1)
})

test('sent, not answered: 1 run where the provider honours keys', async () => {
  const [job, code, runs] = await killUnanswered(honouring, honouring.url, 'hang')
  expect([code, runs]).toEqual([0, 1])
  expectWholeOutput(job.output, 1)
})

test('sent, not answered: 1 run through a gateway, which finishes it', async () => {
  const gateway = await startGateway(plain.url)
  onTestFinished(gateway.stop)
  const [job, code, runs] = await killUnanswered(plain, gateway.url, 'delay=3s')
  expect([code, runs]).toEqual([0, 1])
  expectWholeOutput(job.output, 1)
})

test('sent, not answered: 1 run under fail, and the item is set aside', async () => {
  const [job, code, runs] = await killUnanswered(plain, plain.url, 'hang', '--on-crash', 'fail')
  expect([code, runs, job.error()]).toEqual([1, 1, 'OUTCOME_UNKNOWN'])
})

test.each([
  ['rerun', 0, 2, undefined],
  ['fail', 1, 1, 'OUTCOME_UNKNOWN'],
] as const)('answered, not recorded, under %s: exit %i, %i runs', async (policy, code, runs, error) => {
  const upstream = await startRawUpstream()
  onTestFinished(upstream.stop)
  const job = makeJob(upstream.url, 1, '--on-crash', policy)
  const body = '{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
  const answer = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  let killed: Promise<unknown> | undefined
  upstream.answerWith(async (socket, count) => {
    if (count > 1) return void socket.write(answer)
    // It stands still, so what comes now it never reads.
    process.kill(first.pid, 'SIGSTOP')
    await eventually(() => isStopped(first.pid)).toBe(true)
    killed = new Promise(resolve => socket.write(answer, resolve)).then(() => first.kill())
  })
  const first = job.start()
  await first.ended
  await killed
  expect((await job.start().ended).code).toBe(code)
  expect([upstream.received(), job.error()]).toEqual([runs, error])
})

test.each(['rerun', 'fail'])('claimed at most, not sent, under %s: 1 run', async policy => {
  const before = await runsOf(plain, 0)
  const job = makeJob(plain.url, 2, '--on-crash', policy)
  // The rate lets the first one pass; the second one waits for a minute.
  const first = job.start('--requests-per-minute', '1')
  const hasFirst = (): boolean => existsSync(job.output) && readFileSync(job.output, 'utf8').includes('\n')
  await eventually(hasFirst).toBe(true)
  await first.kill()
  expect((await job.start().ended).code).toBe(0)
  expect(await runsOf(plain, before)).toBe(2)
  expectWholeOutput(job.output, 2)
})
