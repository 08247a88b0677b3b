import {
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { type Comparison, compareFiles } from '../../../src/batch/file/comparison.ts'
import { InputChanged, readPlacedLines } from '../../../src/batch/file/placed-lines.ts'
import { inputLine } from '../folder.ts'
import { answerOf, FileStage, type Send } from './file-stage.ts'

test.each<[string, (stage: FileStage) => void]>([
  ['removed', ({ output }) => rmSync(output)],
  ['renamed', ({ output }) => renameSync(output, `${output}.1`)],
  ['replaced', ({ output }) => renameSync(writtenBeside(output), output)],
  ['cut', ({ output }) => truncateSync(output, 5)],
])('an output that is %s while the batch runs is no success, and costs nothing again', async (_, disturb) => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c')
  const meddle: Send = async line => {
    if (line.customId === 'b') {
      await eventually(() => readFileSync(stage.output).length).toBeGreaterThan(100)
      disturb(stage)
    }
    return answerOf(line)
  }
  // The limit is reached by then, which is no reason to be content either.
  const summary = await stage.run({ concurrency: 1, limit: 2 }, meddle)
  expect(summary).toMatchObject({ stopped: 'error' })
  expect(stage.warnings).toEqual([
    `${stage.output} was moved, removed or changed while the batch wrote to it: let it be, and run it again: what was answered is recorded, and is not paid for again`,
  ])
  expect(await stage.run()).toMatchObject({ done: 3, failed: 0 })
  expect(stage.idsIn().sort()).toEqual(['a', 'b', 'c'])
  expect(stage.sent).toEqual(['a', 'b', 'c'])
})

function writtenBeside(output: string): string {
  writeFileSync(`${output}.other`, '')
  return `${output}.other`
}

test('a signal after the limit was reached ends the wait for what still fails', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c', 'd')
  const operator = new AbortController()
  const fail: Send = () => {
    if (stage.sent.length === 3) operator.abort()
    throw Object.assign(new Error('overloaded'), { status: 500 })
  }
  const patience = { retries: 100, baseDelayMs: 3_600_000, maxDelayMs: 3_600_000 }
  const summary = await stage.run({ ...patience, limit: 3, signal: operator.signal }, fail)
  expect(summary).toMatchObject({ stopped: 'signal', done: 0 })
})

test('an output and errors by links to what is still to be made have one name from the first run on', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  symlinkSync('real.jsonl', stage.output)
  symlinkSync('real.errors', stage.errors)
  const refuse: Send = line => {
    if (line.customId === 'b') throw new TypeError('not this one')
    return answerOf(line)
  }
  const real = { output: join(stage.folder, 'real.jsonl'), errors: join(stage.folder, 'real.errors') }
  expect(await stage.run({}, refuse)).toMatchObject({ ...real, batchId: real.output, done: 1, failed: 1 })
  expect(stage.idsIn(real.errors)).toEqual(['b'])
  expect(await stage.run()).toMatchObject({ ...real, done: 2, kept: 1 })
  symlinkSync('loop', join(stage.folder, 'loop'))
  await expect(stage.run({ output: join(stage.folder, 'loop') })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('an input that is gone, or has a line without end, when it is read again has changed', async () => {
  const stage = new FileStage()
  stage.writeItems('a')
  const { input, output, errors } = stage
  const files = { input, output, errors, status: `${output}.status.json`, batchId: 'b' }
  const terms = { options: {}, files, onKept: () => {}, isRepairing: false }
  const { input: checked }: Comparison = await compareFiles(terms)
  const readAgain = async (): Promise<void> => {
    for await (const _ of readPlacedLines(files, checked));
  }
  await readAgain()
  truncateSync(input, 70_000_000)
  await expect(readAgain()).rejects.toThrow(InputChanged)
  rmSync(input)
  await expect(readAgain()).rejects.toThrow(InputChanged)
})

test('of an input with a line that is too long, ids that are there twice are told all the same', async () => {
  const stage = new FileStage()
  stage.writeLines([inputLine('a'), inputLine('a')])
  truncateSync(stage.input, readFileSync(stage.input).length + 67_108_865)
  await expect(stage.run()).rejects.toMatchObject({
    problems: [
      { lineNumber: 2, message: 'custom_id "a" stands on line 1 already' },
      { lineNumber: 3, message: expect.stringContaining('the line is too long') },
    ],
  })
})

test.skipIf(process.platform === 'win32')('an output that is put in order keeps its rights', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  await stage.run({ order: 'input' })
  chmodSync(stage.output, 0o666)
  stage.writeItems('b', 'a')
  await stage.run({ order: 'input' })
  expect(stage.idsIn()).toEqual(['b', 'a'])
  expect(statSync(stage.output).mode & 0o777).toBe(0o666)
})
