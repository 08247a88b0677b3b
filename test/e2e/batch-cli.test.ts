import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chatItems, makeBatchFolder, type OutputLine } from '../support/batch-files.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

const customIds = (lines: readonly OutputLine[]): readonly string[] => lines.map(line => line.custom_id).sort()
const idsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `doc-${at + 1}`).sort()

async function paidRuns(): Promise<number> {
  return (await sandbox.meter.all()).runs
}

/** A summary without what differs from run to run. */
function settled(stdout: string): string {
  return stdout.replace(/time {5}.*/, 'time     …').replace(/money {4}.*/, 'money    …')
}

describe('retrysafe batch run', () => {
  test('runs every item once, and the same command again pays for nothing', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(20))
    const first = await batch.run(`${sandbox.url}/v1`, ['--batch-id', 'nightly'])
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('batch nightly: 20 items') })
    expect(settled(first.stdout)).toBe(`Batch nightly: all done
  done     20 of 20: 0 kept, 0 replayed
  failed   0
  tokens   ${await tokens()}
  money    …
  time     …
  outputs  ${batch.output}
`)
    expect(customIds(batch.outputs())).toEqual(idsOf(20))
    expect(batch.outputs()[0]?.response).toMatchObject({ status_code: 200, body: { object: 'chat.completion' } })
    expect(await paidRuns()).toBe(20)
    const written = readFileSync(batch.output)

    const again = await batch.run(`${sandbox.url}/v1`, ['--batch-id', 'nightly'])
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('20 of 20: 20 kept, 0 replayed') })
    expect(readFileSync(batch.output)).toEqual(written)
    expect(await paidRuns()).toBe(20)
  })

  async function tokens(): Promise<string> {
    const { input, output } = (await sandbox.meter.all()).tokens
    return `${input} in, ${output} out`
  }

  test('without its outputs it is written anew from the store', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(5))
    await batch.run(sandbox.url)
    writeFileSync(batch.output, '')
    expect(await batch.run(sandbox.url)).toMatchObject({
      stdout: expect.stringContaining('5 of 5: 0 kept, 5 replayed'),
    })
    expect(customIds(batch.outputs())).toEqual(idsOf(5))
    expect(await paidRuns()).toBe(5)
  })

  test.each([
    ['straight', sandbox.url],
    ['through a gateway', `${gateway.url}/v1/`],
  ])('a base URL with and without the version that the lines have, %s', async (_, url) => {
    const batch = makeBatchFolder()
    batch.write(chatItems(3))
    expect(await batch.run(url)).toMatchObject({ code: 0 })
    expect(batch.outputs().map(({ response }) => response?.status_code)).toEqual([200, 200, 200])
  })

  test('through a gateway, a batch whose store is lost pays for nothing again', async () => {
    const [one, other] = [makeBatchFolder(), makeBatchFolder()]
    for (const batch of [one, other]) batch.write(chatItems(4))
    expect((await one.run(gateway.url, ['--batch-id', 'shared'])).code).toBe(0)
    const second = await other.run(gateway.url, ['--batch-id', 'shared'])
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('4 of 4: 0 kept, 4 replayed') })
    expect(await paidRuns()).toBe(4)
  })

  test('--order input puts them in order', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(12))
    expect((await batch.run(sandbox.url, ['--order', 'input'])).code).toBe(0)
    expect(batch.outputs().map(line => line.custom_id)).toEqual(
      chatItems(12).map(item => Reflect.get(item, 'custom_id')),
    )
  })

  test('--limit does so many, and the next run the others', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(10))
    const first = await batch.run(sandbox.url, ['--limit', '4'])
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('as many as --limit says') })
    expect([batch.outputs().length, await paidRuns()]).toEqual([4, 4])
    expect((await batch.run(sandbox.url)).code).toBe(0)
    expect([customIds(batch.outputs()), await paidRuns()]).toEqual([idsOf(10), 10])
  })

  test('--max-cost ends it before more is spent, over all runs; a higher one goes on', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(10))
    const prices = join(batch.path, 'prices.json')
    // An answer has some ten tokens: about a dollar each.
    writeFileSync(prices, '{"asOf":"2026-01-01","providers":{"own":{"m-1":{"input":0,"output":100000}}}}')
    const costs = (usd: string): string[] => ['--prices', prices, '--max-cost', usd, '--concurrency', '2']
    const first = await batch.run(sandbox.url, costs('4'))
    expect(first).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('or it would have cost more than --max-cost'),
    })
    const paid = await paidRuns()
    expect(paid).toBeGreaterThan(0)
    expect((await sandbox.meter.all()).tokens.output * 0.1).toBeLessThanOrEqual(4)
    expect((await batch.run(sandbox.url, costs('4'))).code).toBe(1)
    expect((await sandbox.meter.all()).tokens.output * 0.1).toBeLessThanOrEqual(4)
    expect((await batch.run(sandbox.url, costs('1000'))).code).toBe(0)
    expect([customIds(batch.outputs()), await paidRuns()]).toEqual([idsOf(10), 10])
  })

  test('--max-cost with a model of which nobody knows the price is refused before anything is sent', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(2, 'nobody-knows'))
    const ended = await batch.run(sandbox.url, ['--max-cost', '4'])
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('nobody-knows') })
    expect(await paidRuns()).toBe(0)
  })

  test('--dry-run says what would be sent, sends and writes nothing', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(10, 'gpt-5-mini'))
    const ended = await batch.run(sandbox.url, ['--dry-run'])
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toContain('10 items')
    expect(ended.stdout).toMatch(/gpt-5-mini +10 /)
    const json = await batch.run(sandbox.url, ['--dry-run', '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ event: 'plan', total: 10, kept: 0, toSend: 10 })
    expect([readdirSync(batch.path), await paidRuns()]).toEqual([['in.jsonl'], 0])
  })

  test('--json: every line of stdout is JSON, the last one the summary', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(5))
    const { stdout, stderr, code } = await batch.run(sandbox.url, ['--json', '--batch-id', 'nightly'])
    expect([code, stderr]).toEqual([0, ''])
    const events = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    expect(events.at(-1)).toMatchObject({ event: 'summary', batchId: 'nightly', total: 5, done: 5, failed: 0 })
    expect(events.slice(0, -1).every(({ event }) => event === 'progress')).toBe(true)
    expect(events.length).toBeGreaterThan(1)
  })

  test('a store in memory is warned of, and works', async () => {
    const batch = makeBatchFolder()
    batch.write(chatItems(3))
    const ended = await batch.run(sandbox.url, ['--store', 'memory:'])
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('forgets everything') })
    expect(existsSync(join(batch.path, 'data', 'data.mdb'))).toBe(false)
  })
})
