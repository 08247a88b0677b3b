import type { ServerResponse } from 'node:http'
import { readBatchStatus } from 'retrysafe/internal/batch/file/status-file'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type BatchFolder, chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { eventually } from '../support/eventually.ts'
import { runProgram } from '../support/program.ts'
import { startUpstream } from '../support/upstream.ts'

/** Answers that are held back until a test lets them go. */
let held: ServerResponse[] = []
const upstream = await startUpstream(response => void held.push(response))
afterAll(upstream.stop)
beforeEach(() => {
  held = []
  upstream.answerWith(response => void held.push(response))
})

/** From now on everything is answered. */
function letGo(): void {
  upstream.answerWith(answer)
  held = []
}

function answer(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"id":"c","model":"m-1","choices":[]}')
}

async function statusOf(batch: BatchFolder, ref = batch.output): Promise<Record<string, unknown>> {
  const { stdout } = await runProgram(['batch', 'status', ref, ...batch.flags.slice(2), '--json'])
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('the first signal', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: what is in flight is finished and kept, nothing new begins',
    async signal => {
      const batch = makeBatchFolder()
      batch.write(chatItems(20))
      const runner = await batch.start(upstream.url, ['--concurrency', '3'])
      await eventually(() => held.length).toBe(3)
      process.kill(runner.pid, signal)
      await eventually(() => runner.stderr()).toContain('stopping: ')
      const sent = [...held]
      for (const response of sent) answer(response)
      expect(await runner.exited).toEqual({ code: 1, signal: null })
      expect([held.length, batch.outputs().length]).toEqual([3, 3])

      letGo()
      const rest = await batch.run(upstream.url)
      expect(rest).toMatchObject({ code: 0, stdout: expect.stringContaining('20 of 20: 3 kept, 0 replayed') })
      expect(upstream.received).toHaveLength(17)
    },
  )

  test('the second one ends it at once; the next run asks again for what was in flight', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(5))
    const runner = await batch.start(upstream.url, ['--concurrency', '2'])
    await eventually(() => held.length).toBe(2)
    process.kill(runner.pid, 'SIGINT')
    await eventually(() => runner.stderr()).toContain('stopping: ')
    process.kill(runner.pid, 'SIGINT')
    expect(await runner.exited).toEqual({ code: 1, signal: null })
    letGo()
    expect((await batch.run(upstream.url)).code).toBe(0)
    expect(batch.outputs()).toHaveLength(5)
  })
})

describe('retrysafe batch status', () => {
  test('tells a batch that runs, was killed, was run again, and is done, by its output and by its id', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(6))
    const named = ['--batch-id', 'nightly', '--concurrency', '2']
    const runner = await batch.start(upstream.url, named)
    await eventually(() => held.length).toBe(2)
    await eventually(() => readBatchStatus(batch.output, [])).toMatchObject({ state: 'running', inFlight: 2 })
    expect(await statusOf(batch, 'nightly')).toMatchObject({
      ...{ state: 'running', total: 6, done: 0, inFlight: 2, output: batch.output, pid: runner.pid },
    })

    await runner.kill()
    const { stdout } = await runProgram(['batch', 'status', 'nightly', ...batch.flags.slice(2)])
    expect(stdout).toContain(`Batch nightly: killed (process ${runner.pid} is gone)`)

    letGo()
    expect((await batch.run(upstream.url, [...named, '--limit', '5'])).code).toBe(0)
    expect(await statusOf(batch)).toMatchObject({ state: 'stopped', stopped: 'limit', done: 5 })
    expect((await batch.run(upstream.url, named)).code).toBe(0)
    const ended = await runProgram(['batch', 'status', batch.output])
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('Batch nightly: all done\n') })
  })
})
