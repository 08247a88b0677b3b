import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import type { BatchSummary } from '../../../src/batch/file/run-batch-file.ts'
import { readBatchStatus } from '../../../src/batch/file/status-file.ts'
import { inputLine, makeFolder } from '../folder.ts'

const program = fileURLToPath(new URL('../programs/file-runner.mjs', import.meta.url))

interface Runner {
  readonly child: ChildProcess
  readonly exited: Promise<unknown[]>
  stdout(): string
  stderr(): string
}

function start(folder: string, wrapper: readonly string[] = [], ...args: readonly string[]): Runner {
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, program, folder, ...args]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, exited: once(child, 'close'), stdout: collect(child.stdout), stderr: collect(child.stderr) }
}

function collect(stream: Readable | null): () => string {
  let text = ''
  stream?.setEncoding('utf8').on('data', piece => {
    text += piece
  })
  return () => text
}

async function runToItsEnd(folder: string, ...args: readonly string[]): Promise<BatchSummary> {
  const runner = start(folder, [], ...args)
  const [code] = await runner.exited
  if (code !== 0) throw new Error(`it ended with ${code}: ${runner.stderr()}`)
  return JSON.parse(runner.stdout())
}

function linesOf(folder: string, name: string): string[] {
  const path = join(folder, name)
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

const idOf = (line: string): string => (JSON.parse(line) as { custom_id: string }).custom_id
const idsUpTo = (count: number): string[] => Array.from({ length: count }, (_, index) => `item-${index}`)

function folderWith(count: number): string {
  const folder = makeFolder()
  writeFileSync(
    join(folder, 'in.jsonl'),
    idsUpTo(count)
      .map(id => `${inputLine(id)}\n`)
      .join(''),
  )
  return folder
}

test('killed six times, it has every item once, in order, and paid twice only for what was on its way', async () => {
  const folder = folderWith(400)
  for (const target of [1, 60, 61, 150, 250, 350]) {
    const runner = start(folder, [], 'input')
    await eventually(() => linesOf(folder, 'sent.log').length).toBeGreaterThanOrEqual(target)
    runner.child.kill('SIGKILL')
    await runner.exited
  }
  const done = linesOf(folder, 'out.jsonl').length
  expect(await readBatchStatus(join(folder, 'out.jsonl'), [])).toMatchObject({ state: 'killed', total: 400 })
  const summary = await runToItsEnd(folder, 'input')
  expect(summary).toMatchObject({ total: 400, done: 400, failed: 0 })
  expect(summary.kept).toBeGreaterThanOrEqual(done - 1)
  expect(linesOf(folder, 'out.jsonl').map(idOf)).toEqual(idsUpTo(400))
  const sent = linesOf(folder, 'sent.log')
  expect(new Set(sent).size).toBe(400)
  expect(sent.length).toBeLessThanOrEqual(400 + 6 * 8)
  expect(readdirSync(folder).sort()).toEqual(['in.jsonl', 'out.jsonl', 'out.jsonl.status.json', 'sent.log', 'store'])
  expect(await readBatchStatus(join(folder, 'out.jsonl'), [])).toMatchObject({ state: 'ended', done: 400 })
})

test('killed while it puts the output in order, or repairs it, it loses nothing', async () => {
  const folder = folderWith(300)
  await runToItsEnd(folder)
  const output = join(folder, 'out.jsonl')
  const written = linesOf(folder, 'out.jsonl')
  const draftBytes = statSync(output).size >>> 1
  // Twice the same line, and none of another: to be repaired, and then to be put in order.
  writeFileSync(output, `${[...written.slice(100).reverse(), ...written.slice(150)].join('\n')}\n`)
  // What is left of one that was killed between the first byte of a draft and its rename.
  const runner = start(folder, [], 'input')
  await eventually(() => existsSync(`${output}.lock`)).toBe(true)
  runner.child.kill('SIGKILL')
  await runner.exited
  writeFileSync(`${output}.draft`, readFileSync(output).subarray(0, draftBytes))
  expect(await runToItsEnd(folder, 'input')).toMatchObject({ done: 300, failed: 0 })
  expect(linesOf(folder, 'out.jsonl').map(idOf)).toEqual(idsUpTo(300))
  expect(linesOf(folder, 'sent.log')).toHaveLength(300)
  expect(existsSync(`${output}.draft`)).toBe(false)
})

test('a second runner of the output is refused while the first one lives', async () => {
  const folder = folderWith(400)
  const first = start(folder, [], 'completion', '20')
  await eventually(() => linesOf(folder, 'sent.log').length).toBeGreaterThan(0)
  const second = start(folder)
  expect((await second.exited)[0]).toBe(1)
  expect(second.stderr()).toContain(`out.jsonl is being written by the process ${first.child.pid}`)
  expect(await readBatchStatus(join(folder, 'out.jsonl'), [])).toMatchObject({ state: 'running', pid: first.child.pid })
  first.child.kill('SIGKILL')
  await first.exited
})

test('where there is no room it stops, and goes on when there is', async () => {
  const folder = folderWith(500)
  // The store is in memory: its file would be the larger one, and meet the limit first.
  const runner = start(folder, ['prlimit', '--fsize=65536', '--'], 'completion', '2', 'memory:')
  const [code] = await runner.exited
  expect(code, runner.stderr()).toBe(0)
  const summary = JSON.parse(runner.stdout()) as BatchSummary
  expect(summary).toMatchObject({ total: 500, failed: 0, stopped: 'disk full' })
  expect(summary.done).toBeLessThan(400)
  expect(runner.stderr()).toContain('out.jsonl or its errors cannot be written (EFBIG): make room and run it again')
  expect(readFileSync(join(folder, 'out.jsonl'), 'utf8').endsWith('\n')).toBe(true)
  const before = linesOf(folder, 'out.jsonl').length
  expect(before).toBeGreaterThan(100)
  expect(await runToItsEnd(folder)).toMatchObject({ done: 500, kept: before })
  expect(linesOf(folder, 'out.jsonl').map(idOf).sort()).toEqual(idsUpTo(500).sort())
})
