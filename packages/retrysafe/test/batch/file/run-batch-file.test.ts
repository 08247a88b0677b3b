import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { BatchRefusal } from '../../../src/batch/file/batch-line.ts'
import type { BatchProgress } from '../../../src/batch/file/batch-progress.ts'
import { inputLine } from '../folder.ts'
import { answerOf, FileStage } from './file-stage.ts'

const refusal = (status: number): BatchRefusal => new BatchRefusal({ status, headers: {}, requestId: 'r', body: '{}' })

test('every item has one line in the output, and nothing but the status stays beside it', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c')
  const summary = await stage.run()
  expect(summary).toMatchObject({ phase: 'ended', total: 3, done: 3, failed: 0, kept: 0, replayed: 0 })
  expect(summary).toMatchObject({ inputTokens: 30, outputTokens: 15, usdSpent: null, inFlight: 0 })
  expect(summary.stopped).toBeUndefined()
  expect(stage.idsIn().sort()).toEqual(['a', 'b', 'c'])
  const [line] = readFileSync(stage.output, 'utf8').split('\n')
  expect(JSON.parse(line ?? '')).toEqual({
    id: expect.stringMatching(/^batch_req_[\da-f]{48}$/),
    custom_id: 'a',
    response: {
      status_code: 200,
      request_id: 'r',
      body: { model: 'm', text: 'a', usage: { prompt_tokens: 10, completion_tokens: 5 } },
    },
    error: null,
  })
  expect(readdirSync(stage.folder).sort()).toEqual(['in.jsonl', 'out.jsonl', 'out.jsonl.status.json'])
})

test('run again it sends nothing; items that are new, moved or changed cost only themselves', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c')
  await stage.run()
  stage.sent.length = 0
  expect(await stage.run()).toMatchObject({ done: 3, kept: 3 })
  stage.writeLines([inputLine('new'), inputLine('c'), inputLine('b', 'changed'), inputLine('a')])
  expect(await stage.run()).toMatchObject({ total: 4, done: 4, kept: 2 })
  expect(stage.sent.sort()).toEqual(['b', 'new'])
  expect(stage.idsIn().sort()).toEqual(['a', 'b', 'c', 'new'])
  expect(stage.warnings).toEqual([
    `${stage.output}: 1 line of items that the input has no more, or has otherwise, left out`,
  ])
})

test('what was recorded, and is not in the output, is replayed and not paid again', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const money = { cost: () => 0.5, estimate: () => 1 }
  expect(await stage.run({ money })).toMatchObject({ usdSpent: 1, usdSaved: null })
  rmSync(stage.output)
  expect(await stage.run({ money })).toMatchObject({ done: 2, kept: 0, replayed: 2, usdSpent: 1, usdSaved: 1 })
  expect(stage.sent.sort()).toEqual(['a', 'b'])
  expect(await stage.run({ money })).toMatchObject({ kept: 2, usdSpent: 1, usdSaved: 1 })
})

test('failed items are in the errors file, and tried again by the next run, which takes it away', async () => {
  const stage = new FileStage()
  stage.writeItems('good', 'bad', 'ugly')
  const send = (line: { customId: string }): ReturnType<typeof answerOf> => {
    if (line.customId === 'bad') throw refusal(400)
    if (line.customId === 'ugly') throw new TypeError('a bug')
    return answerOf(line)
  }
  expect(await stage.run({}, send)).toMatchObject({ done: 1, failed: 2 })
  expect(stage.idsIn()).toEqual(['good'])
  const lines = readFileSync(stage.errors, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines).toEqual([
    expect.objectContaining({
      custom_id: 'bad',
      response: { status_code: 400, request_id: 'r', body: {} },
      error: null,
    }),
    expect.objectContaining({ custom_id: 'ugly', response: null, error: { code: 'TypeError', message: 'a bug' } }),
  ])
  expect(stage.warnings).toEqual(['line 2, bad: the answer was 400', 'line 3, ugly: a bug'])
  expect(await stage.run()).toMatchObject({ done: 3, failed: 0, kept: 1 })
  expect(existsSync(stage.errors)).toBe(false)
})

test('bad input is refused before anything is sent, and leaves nothing behind', async () => {
  const stage = new FileStage()
  stage.writeLines([inputLine('a'), 'nonsense'])
  await expect(stage.run()).rejects.toMatchObject({ code: 'CONFIG_INVALID', problems: [{ lineNumber: 2 }] })
  expect(stage.sent).toEqual([])
  expect(readdirSync(stage.folder)).toEqual(['in.jsonl'])
})

test('an output of another batch, or of something else, is refused and left as it is', async () => {
  const stage = new FileStage()
  stage.writeItems('a')
  await stage.run({ batchId: 'monday' })
  const written = readFileSync(stage.output, 'utf8')
  await expect(stage.run({ batchId: 'tuesday' })).rejects.toThrow(/was not written by the batch "tuesday"/)
  expect(readFileSync(stage.output, 'utf8')).toBe(written)
  // Whose output was moved goes on by the id that it had: the path where it was.
  const moved = join(stage.folder, 'moved.jsonl')
  writeFileSync(moved, written)
  await expect(stage.run({ output: moved })).rejects.toThrow('one that was moved itself needs the batch id that it had')
  expect(await stage.run({ output: moved, batchId: 'monday' })).toMatchObject({ done: 1, kept: 1 })
  for (const text of ['my notes\n', 'my notes', '{"id":1}\n', inputLine('a')]) {
    writeFileSync(stage.output, text)
    await expect(stage.run()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(readFileSync(stage.output, 'utf8')).toBe(text)
    rmSync(stage.output)
    writeFileSync(stage.errors, text)
    await expect(stage.run()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(readFileSync(stage.errors, 'utf8')).toBe(text)
    rmSync(stage.errors)
  }
  expect(stage.sent).toEqual(['a'])
})

test('a torn end is cut off, wherever it was torn, and only that item is asked for again', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  await stage.run()
  const written = readFileSync(stage.output)
  const first = written.indexOf('\n') + 1
  for (let length = 1; length < written.length; length += 7) {
    writeFileSync(stage.output, written.subarray(0, length))
    expect(await stage.run(), `${length} bytes`).toMatchObject({
      done: 2,
      kept: (length >= first - 1 ? 1 : 0) + (length >= written.length - 1 ? 1 : 0),
    })
    expect(stage.idsIn().sort(), `${length} bytes`).toEqual(['a', 'b'])
  }
  expect(stage.sent.sort()).toEqual(['a', 'b'])
  // An editor that takes the last newline away has torn nothing.
  writeFileSync(stage.output, written.subarray(0, -1))
  expect(await stage.run()).toMatchObject({ kept: 2 })
  stage.writeItems('a', 'b', 'c')
  await stage.run()
  expect(stage.idsIn().sort()).toEqual(['a', 'b', 'c'])
})

test('lines in the middle that cannot be read, and lines that are there twice, are taken out', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c')
  await stage.run()
  const lines = readFileSync(stage.output, 'utf8').trimEnd().split('\n')
  writeFileSync(stage.output, `${lines[0]}\n\0\0\0\n${lines[1]?.slice(0, 40)}\n${lines[2]}\n${lines[0]}\n`)
  expect(await stage.run()).toMatchObject({ done: 3, kept: 2, replayed: 1 })
  expect(stage.idsIn()).toEqual(['a', 'c', 'b'])
  expect(stage.warnings).toEqual([
    `${stage.output}: 1 line, there twice, left out`,
    `${stage.output}: 2 lines that cannot be read, left out; they are asked for again`,
  ])
  expect(stage.sent).toEqual(['a', 'b', 'c'])
})

test('a failure that somebody has put into the output is no answer', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  await stage.run({}, line => {
    if (line.customId === 'a') throw refusal(400)
    return answerOf(line)
  })
  appendFileSync(stage.output, readFileSync(stage.errors))
  expect(await stage.run()).toMatchObject({ done: 2, kept: 1 })
  expect(stage.idsIn()).toEqual(['b', 'a'])
})

test('the limit counts what is begun in this run', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c', 'd')
  expect(await stage.run({ limit: 3 })).toMatchObject({ done: 3, stopped: 'limit' })
  const last = await stage.run({ limit: 3 })
  expect(last).toMatchObject({ done: 4, kept: 3 })
  expect(last.stopped).toBeUndefined()
  expect(stage.sent).toHaveLength(4)
})

test('in input order the output is sorted at the end, what earlier runs have left included', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c', 'd', 'e')
  await stage.run({ limit: 2 })
  stage.writeItems('e', 'd', 'c', 'b', 'a')
  expect(await stage.run({ order: 'input' })).toMatchObject({ done: 5, kept: 2 })
  expect(stage.idsIn()).toEqual(['e', 'd', 'c', 'b', 'a'])
  expect(await stage.run({ order: 'input' })).toMatchObject({ kept: 5 })
  expect(stage.idsIn()).toEqual(['e', 'd', 'c', 'b', 'a'])
  expect(readdirSync(stage.folder).sort()).toEqual(['in.jsonl', 'out.jsonl', 'out.jsonl.status.json'])
})

test('a batch that is refused as a whole stops early', async () => {
  const stage = new FileStage()
  const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`)
  stage.writeItems(...ids)
  const summary = await stage.run({ concurrency: 4 }, () => {
    throw refusal(401)
  })
  expect(summary.stopped).toBe('refused')
  expect(stage.sent.length).toBeLessThan(60)
  expect(stage.warnings).toContain('everything so far was refused with 401: look at the API key, and run it again')
})

test('a key that is refused from some item on ends the batch, too', async () => {
  const stage = new FileStage()
  stage.writeItems(...Array.from({ length: 200 }, (_, index) => `id-${index}`))
  const summary = await stage.run({ concurrency: 4 }, line => {
    if (line.lineNumber > 50) throw refusal(401)
    return answerOf(line)
  })
  expect(summary).toMatchObject({ stopped: 'refused', done: 50 })
  expect(stage.sent.length).toBeLessThan(110)
  expect(stage.warnings).toContain('all of late were refused with 401: look at the API key, and run it again')
})

test('progress is told from the reading to the end', async () => {
  const stage = new FileStage()
  stage.writeItems('a')
  const heard: BatchProgress[] = []
  await stage.run({ onProgress: progress => void heard.push(progress) })
  expect(heard[0]).toMatchObject({
    phase: 'reading',
    total: 0,
    output: expect.stringContaining(basename(stage.output)),
  })
  expect(heard.at(-1)).toMatchObject({ phase: 'ended', total: 1, done: 1 })
})
