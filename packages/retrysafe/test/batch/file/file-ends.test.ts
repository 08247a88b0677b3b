import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { BatchRefusal } from '../../../src/batch/file/batch-line.ts'
import { planBatchFile } from '../../../src/batch/file/batch-plan.ts'
import { readBatchStatus } from '../../../src/batch/file/status-file.ts'
import { inputLine, makeFolder } from '../folder.ts'
import { answerOf, FileStage } from './file-stage.ts'

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `id-${index}`)

test('a maximum cost is never overshot: what is on its way counts by its estimate', async () => {
  const stage = new FileStage()
  stage.writeItems(...ids(20))
  const money = { cost: () => 1, estimate: () => 3 }
  let mostUsd = 0
  let onItsWay = 0
  let done = 0
  const send = async (line: { customId: string }): Promise<ReturnType<typeof answerOf>> => {
    onItsWay++
    mostUsd = Math.max(mostUsd, done + 3 * onItsWay)
    await new Promise(resolve => setImmediate(resolve))
    onItsWay--
    done++
    return answerOf(line)
  }
  // 8 answers have cost 8, and the ninth may cost 3 more.
  expect(await stage.run({ money, maxUsd: 10.5, concurrency: 8 }, send)).toMatchObject({
    done: 8,
    usdSpent: 8,
    stopped: 'max cost',
  })
  expect(mostUsd).toBeLessThanOrEqual(10.5)
  expect(stage.sent).toHaveLength(8)
  // It is the whole batch that may cost so much.
  expect(await stage.run({ money, maxUsd: 10.5 })).toMatchObject({ done: 8, kept: 8, stopped: 'max cost' })
  expect(await stage.run({ money, maxUsd: 13 })).toMatchObject({ done: 11, usdSpent: 11, stopped: 'max cost' })
  expect(await stage.run({ money, maxUsd: 22 })).toMatchObject({ done: 20, usdSpent: 20 })
  expect(stage.sent).toHaveLength(20)
})

test('what may have been paid for without an answer counts by its estimate; a refusal is free', async () => {
  const stage = new FileStage()
  stage.writeItems(...ids(6))
  const money = { cost: () => 1, estimate: () => 2 }
  const summary = await stage.run({ money, maxUsd: 4, concurrency: 1 }, line => {
    if (line.customId === 'id-0') throw new BatchRefusal({ status: 400, headers: {}, requestId: undefined, body: '' })
    if (line.customId === 'id-1') throw new TypeError('after it was sent')
    return answerOf(line)
  })
  // 2 in doubt, and one answer for 1: another might make it 5.
  expect(summary).toMatchObject({ done: 1, failed: 2, usdSpent: 1, stopped: 'max cost' })
  expect(await stage.run({ money, maxUsd: 4, concurrency: 1 })).toMatchObject({ done: 3, stopped: 'max cost' })
})

test('a call that may have been paid for counts beside the one that repeats it, but where keys are honoured', async () => {
  const money = { cost: () => 1, estimate: () => 1 }
  for (const [honoursKeys, done] of [
    [false, 38],
    [true, 40],
  ] as const) {
    const stage = new FileStage()
    stage.writeItems(...ids(50))
    let sends = 0
    const summary = await stage.run({ money, maxUsd: 40, concurrency: 1, honoursKeys }, line => {
      // Two calls are cut, while there is much room.
      if (++sends === 1 || sends === 3) throw Object.assign(new Error('cut'), { code: 'ECONNRESET' })
      return answerOf(line)
    })
    expect(summary).toMatchObject({ done, usdSpent: done, failed: 0, stopped: 'max cost' })
  }
})

test('a body is whole when it is sent, however far the file has been read meanwhile', async () => {
  const stage = new FileStage()
  stage.writeLines(ids(600).map(id => inputLine(id, `${id} `.repeat(400))))
  const broken: string[] = []
  const summary = await stage.run({}, async line => {
    await new Promise(resolve => setImmediate(resolve))
    const { content } = JSON.parse(Buffer.from(line.body).toString()) as { content: string }
    if (content !== `${line.customId} `.repeat(400)) broken.push(line.customId)
    return answerOf(line)
  })
  expect(broken).toEqual([])
  expect(summary).toMatchObject({ done: 600, failed: 0 })
})

test('an item without a price is refused where a maximum is set, by the name of its model', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const money = { cost: () => 1, estimate: () => undefined }
  await expect(stage.run({ money, maxUsd: 1 })).rejects.toMatchObject({
    problemCount: 2,
    problems: [
      { lineNumber: 1, message: 'there is no price for the model "m", and the batch has a maximum cost' },
      { lineNumber: 2, message: 'there is no price for the model "m", and the batch has a maximum cost' },
    ],
  })
  expect(await stage.run({ money })).toMatchObject({ done: 2, usdSpent: 2 })
  await expect(stage.run({ maxUsd: 1 })).rejects.toThrow('maxUsd says something only with money')
  await expect(stage.run({ maxUsd: 0, money })).rejects.toThrow('maxUsd takes USD, more than 0')
  await expect(stage.run({ limit: 0 })).rejects.toThrow('limit takes a whole number from 1')
})

test('a plan says what would be sent, and makes no file', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b', 'c')
  await stage.run({ limit: 1 })
  const body = '{"model":"n","max_tokens":100,"n":2}'
  appendFileSync(stage.input, `{"custom_id":"d","method":"POST","url":"/v1/x","body":${body}}\n`)
  const before = readdirSync(stage.folder)
  const money = { cost: () => 1, estimate: () => 0.25 }
  const plan = await planBatchFile(stage.options({ money, batchId: stage.output }))
  expect(plan).toEqual({
    batchId: stage.output,
    total: 4,
    kept: 1,
    toSend: 3,
    usd: 0.75,
    models: [
      { model: 'm', items: 2, inputTokensAbout: 14, outputTokensAtMost: undefined, usd: 0.5 },
      { model: 'n', items: 1, inputTokensAbout: 9, outputTokensAtMost: 200, usd: 0.25 },
    ],
  })
  expect(await planBatchFile(stage.options({ limit: 2 }))).toMatchObject({ toSend: 2, usd: undefined })
  expect(readdirSync(stage.folder)).toEqual(before)
  expect(stage.sent).toEqual(['a'])
  writeFileSync(stage.output, 'x\n')
  await expect(planBatchFile(stage.options())).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a signal ends it: what is sent is finished and kept, the rest is for the next run', async () => {
  const stage = new FileStage()
  stage.writeItems(...ids(50))
  const leave = new AbortController()
  const summary = await stage.run({ signal: leave.signal, concurrency: 4 }, line => {
    if (stage.sent.length === 10) leave.abort()
    return answerOf(line)
  })
  expect(summary).toMatchObject({ stopped: 'signal', failed: 0 })
  expect(summary.done).toBe(stage.sent.length)
  expect(stage.idsIn().sort()).toEqual([...stage.sent].sort())
  expect(await stage.run()).toMatchObject({ done: 50 })
  expect(stage.sent).toHaveLength(50)
})

test('a signal while files are read ends it at once, and leaves everything as it was', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  await stage.run()
  const status = readFileSync(`${stage.output}.status.json`, 'utf8')
  stage.writeItems('b', 'c')
  expect(await stage.run({ signal: AbortSignal.abort() })).toMatchObject({ phase: 'ended', stopped: 'signal', kept: 0 })
  expect(stage.idsIn()).toEqual(['a', 'b'])
  expect(readFileSync(`${stage.output}.status.json`, 'utf8')).toBe(status)
  expect(readdirSync(stage.folder).sort()).toEqual(['in.jsonl', 'out.jsonl', 'out.jsonl.status.json'])
})

test('a batch to nobody ends, and says why', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const summary = await stage.run({ giveUpMs: 1_000 }, () => {
    throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' })
  })
  expect(summary).toMatchObject({ stopped: 'stalled', done: 0 })
  expect(stage.warnings.join('\n')).toContain('ECONNREFUSED')
})

describe('where no more is to begin than --limit says, what has begun', () => {
  test('is left behind where nobody answers, and that is no good end', async () => {
    const stage = new FileStage()
    stage.writeItems(...ids(6))
    const summary = await stage.run({ limit: 3, giveUpMs: 1_000 }, () => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    })
    expect(summary).toMatchObject({ stopped: 'stalled', done: 0, failed: 0 })
    expect(stage.warnings.at(-1)).toContain('nothing answers any more')
  })

  test('waits no longer after a signal; one that comes after the last item stops nothing', async () => {
    const stage = new FileStage()
    stage.writeItems(...ids(12))
    const stop = new AbortController()
    const options = { limit: 8, concurrency: 1 }
    const summary = await stage.run({ ...options, signal: stop.signal }, async line => {
      // Until all that may begin has begun.
      for (let round = 0; round < 200; round++) await new Promise(resolve => setImmediate(resolve))
      if (line.customId === 'id-1') stop.abort()
      return answerOf(line)
    })
    expect(summary).toMatchObject({ stopped: 'signal', done: 2 })
    const late = new AbortController()
    const next = await stage.run({ ...options, signal: late.signal }, line => {
      if (line.customId === 'id-9') late.abort()
      return answerOf(line)
    })
    expect(next).toMatchObject({ stopped: 'limit', done: 10 })
  })
})

test('an input that changes while the batch runs ends it', async () => {
  const stage = new FileStage()
  stage.writeItems(...ids(2_000), 'x'.repeat(500))
  const summary = await stage.run({ concurrency: 1 }, line => {
    if (line.customId === 'id-0') stage.writeItems(...ids(2_000).map(id => `${id}-new`))
    return answerOf(line)
  })
  expect(summary.stopped).toBe('error')
  expect(stage.warnings.at(-1)).toBe(`${stage.input} has changed while the batch ran: let it be, and run it again`)
})

test('a run whose output was taken over stops', async () => {
  const stage = new FileStage()
  stage.writeItems(...ids(2_000))
  const lock = `${stage.output}.lock`
  const other = '{"processName":"other-boot.1/2/3/5","pid":5,"host":"far"}'
  const summary = await stage.run({ concurrency: 1 }, async line => {
    if (line.customId === 'id-3') {
      writeFileSync(`${lock}.new`, other)
      renameSync(`${lock}.new`, lock)
    }
    await new Promise(resolve => setTimeout(resolve, 2))
    return answerOf(line)
  })
  expect(summary.stopped).toBe('error')
  expect(stage.warnings).toEqual(['the output is written by another process now: this one stood still'])
  expect(readFileSync(lock, 'utf8')).toBe(other)
})

test('a file of errors that came to be there meanwhile is left as it is', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const summary = await stage.run({ concurrency: 1 }, () => {
    writeFileSync(stage.errors, 'of another batch')
    throw new TypeError('no')
  })
  expect(summary.stopped).toBe('error')
  expect(stage.warnings.join()).toContain('or its errors cannot be written (EEXIST)')
  expect(readFileSync(stage.errors, 'utf8')).toBe('of another batch')
})

test('two names of one file, folders and places that are not there are refused before anything is sent', async () => {
  const stage = new FileStage()
  stage.writeItems('a')
  const invalid = (changes: Parameters<FileStage['run']>[0], message: string): Promise<void> =>
    expect(stage.run(changes)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message),
    })
  const [folder, link, hard] = ['folder', 'link', 'hard'].map(name => join(stage.folder, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(folder)
  symlinkSync(stage.input, link)
  linkSync(stage.input, hard)
  await invalid({ output: stage.input }, 'stands for two files of one batch')
  await invalid({ output: link }, 'stands for two files of one batch')
  await invalid({ output: hard }, 'stands for two files of one batch')
  await invalid({ errors: stage.output }, 'stands for two files of one batch')
  await invalid({ errors: `${stage.output}.status.json` }, 'stands for two files of one batch')
  await invalid({ output: folder }, `${folder} is no file`)
  await invalid({ errors: folder }, `${folder} is no file`)
  await invalid({ output: join(folder, 'no', 'out') }, `there is no folder ${join(folder, 'no')}`)
  await invalid({ input: join(folder, 'no') }, 'cannot be read: there is no such file')
  await invalid({ input: folder }, `${folder} is no file`)
  await invalid({ batchId: '' }, 'batchId takes 1 to 1_000 characters')
  expect(stage.sent).toEqual([])
  expect(readdirSync(stage.folder).sort()).toEqual(['folder', 'hard', 'in.jsonl', 'link'])
})

test('an output by way of a link is the file it leads to: the link stays', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const elsewhere = join(makeFolder(), 'real.jsonl')
  writeFileSync(elsewhere, '')
  symlinkSync(elsewhere, stage.output)
  await stage.run({ order: 'input' })
  stage.writeItems('b', 'a')
  expect(await stage.run({ order: 'input' })).toMatchObject({ batchId: elsewhere, kept: 2 })
  expect(stage.idsIn(elsewhere)).toEqual(['b', 'a'])
  expect(stage.idsIn()).toEqual(['b', 'a'])
})

test('a batch is found by its output and by its id, while it runs and after', async () => {
  const stage = new FileStage()
  stage.writeItems('a', 'b')
  const registry = join(stage.folder, 'far', 'batches')
  let goOn = (): void => {}
  const gone = new Promise<void>(resolve => (goOn = resolve))
  const running = stage.run({ registry, batchId: 'nightly' }, async line => {
    await gone
    return answerOf(line)
  })
  const state = (ref: string): Promise<string> =>
    readBatchStatus(ref, [makeFolder(), registry]).then(
      status => `${status.state} ${status.phase} ${status.pid === process.pid}`,
      error => error.message,
    )
  await eventually(() => state('nightly')).toBe('running running true')
  expect(await state(stage.output)).toBe('running running true')
  goOn()
  await running
  expect(await state('nightly')).toBe('ended ended true')
  expect(await state(stage.output)).toBe('ended ended true')
  expect(await state('weekly')).toContain('there is no batch "weekly"')
  stage.writeItems('a', 'b', 'c', 'd')
  await stage.run({ registry, batchId: 'nightly', limit: 1 })
  expect(await readBatchStatus('nightly', [registry])).toMatchObject({ state: 'stopped', stopped: 'limit', done: 3 })
  expect(JSON.parse(readFileSync(`${stage.output}.status.json`, 'utf8'))).toMatchObject({ batchId: 'nightly' })
})

test.each(['{}', '[1]', 'no JSON', '{"phase":"ended","total":3,"pid":1}', '{"phase":1,"total":"3","pid":{}}'])(
  'a file in the place of a status that is none is no batch: %s',
  async text => {
    const output = join(makeFolder(), 'out.jsonl')
    writeFileSync(`${output}.status.json`, text)
    await expect(readBatchStatus(output, [])).rejects.toThrow('there is no batch')
  },
)
