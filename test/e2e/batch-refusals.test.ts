import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type BatchFolder, chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { runProgram } from '../support/program.ts'
import { startSandbox } from '../support/sandbox.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)

const [good] = chatItems(1)
const line = (change: object): string => JSON.stringify({ ...good, custom_id: 'other', ...change })

async function received(): Promise<number> {
  return (await sandbox.meter.all()).runs
}

/** A line, and a word of what is wrong with it. */
const badLines: readonly (readonly [string, string])[] = [
  ['{"custom_id": nope}', 'JSON'],
  ['[1]', 'object'],
  [line({ custom_id: undefined }), 'custom_id'],
  [line({ custom_id: 7 }), 'custom_id'],
  [line({ custom_id: '' }), 'custom_id'],
  [JSON.stringify(good), 'stands on line 1 already'],
  [line({ method: undefined }), 'method'],
  [line({ method: 'FETCH' }), 'method'],
  [line({ url: undefined }), 'url'],
  [line({ url: 'https://elsewhere.example/v1/x' }), 'url'],
  [line({ url: '/v1/../admin' }), 'url'],
  [line({ body: undefined }), 'body'],
  [line({ body: 'x' }), 'body'],
  [line({ body: { stream: true } }), 'stream'],
]

describe('bad input is told with its lines, and nothing is sent', () => {
  test('all that is wrong with a file at once', async () => {
    const batch = makeBatchFolder()
    batch.write([good ?? {}, ...badLines.map(([bad]) => bad)])
    const { code, stdout, stderr } = await batch.run(sandbox.url)
    expect([code, stdout]).toEqual([2, ''])
    const told = stderr.trimEnd().split('\n')
    expect(told).toEqual([
      ...badLines.map(([, word], at) => expect.stringMatching(new RegExp(`^${batch.input}:${at + 2}: .*${word}`))),
      'retrysafe: nothing was sent',
    ])
    expect([existsSync(batch.output), await received()]).toEqual([false, 0])
  })

  test('a torn last line', async () => {
    const batch = makeBatchFolder()
    writeFileSync(batch.input, `${JSON.stringify(good)}\n${line({}).slice(0, 60)}`)
    const { code, stderr } = await batch.run(sandbox.url)
    expect([code, stderr]).toEqual([2, expect.stringContaining(`${batch.input}:2: `)])
    expect(stderr).toContain('cut off')
    expect(await received()).toBe(0)
  })

  test('an empty file', async () => {
    const batch = makeBatchFolder()
    batch.write([])
    expect(await batch.run(sandbox.url)).toMatchObject({ code: 2, stderr: expect.stringContaining('is empty') })
  })

  test('with --json a program reads what is wrong', async () => {
    const batch = makeBatchFolder()
    batch.write([good ?? {}, '[1]'])
    const { code, stdout } = await batch.run(sandbox.url, ['--json'])
    const events = stdout.trimEnd().split('\n')
    expect(code).toBe(2)
    expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({
      ...{ event: 'refused', input: batch.input, problemCount: 1, problems: [{ lineNumber: 2 }] },
    })
  })

  test('a thousand bad lines do not bury the terminal', async () => {
    const batch = makeBatchFolder()
    batch.write(Array.from({ length: 1_000 }, () => '[1]'))
    const { code, stderr } = await batch.run(sandbox.url)
    expect(code).toBe(2)
    expect(stderr.trimEnd().split('\n')).toHaveLength(22)
    expect(stderr).toContain('and 980 more problems')
  })
})

describe('an output that is not this batch’s is left as it was', () => {
  test.each<[string, string]>([
    ['text of somebody else', 'my notes\n'],
    [
      'lines of another batch',
      '{"id":"batch_req_0123456789abcdef0","custom_id":"doc-1","response":null,"error":null}\n',
    ],
  ])('%s', async (_, text) => {
    const batch = makeBatchFolder()
    batch.write(chatItems(2))
    writeFileSync(batch.output, text)
    const { code, stderr } = await batch.run(sandbox.url)
    expect([code, stderr]).toEqual([2, expect.stringContaining(batch.output)])
    expect(readFileSync(batch.output, 'utf8')).toBe(text)
    expect(await received()).toBe(0)
  })

  test.each<[string, (batch: BatchFolder) => void]>([
    ['the input by another name', batch => symlinkSync(batch.input, batch.output)],
    ['a folder', batch => mkdirSync(batch.output)],
  ])('%s', async (_, make) => {
    const batch = makeBatchFolder()
    batch.write(chatItems(2))
    const text = readFileSync(batch.input)
    make(batch)
    expect(await batch.run(sandbox.url)).toMatchObject({ code: 2, stdout: '' })
    expect([readFileSync(batch.input), await received()]).toEqual([text, 0])
  })
})

describe('wrong usage is one line, and exit 2', () => {
  const usual = ['batch', 'run', 'in.jsonl', '--out', 'out.jsonl', '--base-url', 'http://127.0.0.1:1']

  // What each flag says stands in packages/gateway/test/cli/batch/run-flags.test.ts.
  test.each<[readonly string[], string]>([
    [['batch', 'run'], "missing required argument 'input'"],
    [[...usual, '--header', 'Idempotency-Key: sk-secret'], '--header: idempotency-key is set by retrysafe itself'],
    [['batch', 'status', 'nobody-knows'], 'there is no batch "nobody-knows"'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await runProgram(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^retrysafe: .*\n$/)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('sk-secret')
  })

  test('--help of both has examples', async () => {
    for (const name of ['run', 'status']) {
      const { code, stdout } = await runProgram(['batch', name, '--help'])
      expect([code, stdout]).toEqual([0, expect.stringContaining(`$ retrysafe batch ${name} `)])
    }
  })
})

test('an output that another runner writes is refused', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(2))
  const slow = await startSandbox(0, ['--fault', 'hang'])
  const runner = await batch.start(slow.url)
  try {
    await expect.poll(async () => (await slow.meter.all()).received, { timeout: 10_000, interval: 10 }).toBe(2)
    const second = await batch.run(sandbox.url)
    expect(second).toMatchObject({ code: 2, stderr: expect.stringContaining('is being written by') })
    expect(await received()).toBe(0)
  } finally {
    await runner.kill()
    await slow.stop()
  }
  // Whose process is gone holds nothing any more.
  expect((await batch.run(sandbox.url)).code).toBe(0)
})
