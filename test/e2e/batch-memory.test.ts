import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startBatch } from '../support/batch-runner.ts'
import { makeStoreFolder } from '../support/gateway.ts'
import { startSandbox } from '../support/sandbox.ts'

// `npm run memory:batch` measures it; this only says that an input is not held as a whole.

const sandbox = await startSandbox()
afterAll(sandbox.stop)

const lineBytes = 100_000

/** Runs a batch of so many lines. @returns the most memory of its own that it held, without the pages of files it maps */
async function peakBytesOf(lines: number): Promise<number> {
  const folder = makeStoreFolder()
  const [input, output] = [join(folder, 'in.jsonl'), join(folder, 'out.jsonl')]
  const file = openSync(input, 'wx')
  const content = 'w'.repeat(lineBytes)
  const body = JSON.stringify({ model: 'm', max_tokens: 1, messages: [{ role: 'user', content }] })
  const head = (line: number): string => `{"custom_id":"${line}","method":"POST","url":"/v1/chat/completions","body":`
  for (let line = 0; line < lines; line += 1) writeSync(file, `${head(line)}${body}}\n`)
  closeSync(file)
  const flags = ['--base-url', sandbox.url, '--store', `lmdb:${join(folder, 'store')}`, '--concurrency', '4']
  const runner = startBatch([input, '--out', output, ...flags])
  onTestFinished(async () => void (await runner.kill()))
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, ownBytes(runner.pid))
  }, 20)
  const { code } = await runner.ended
  clearInterval(timer)
  expect(code).toBe(0)
  expect(readFileSync(output, 'utf8').split('\n')).toHaveLength(lines + 1)
  return peak
}

/** 0 of a process that has just gone. */
function ownBytes(pid: number): number {
  try {
    const [, kibibytes = '0'] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kibibytes) * 1_024
  } catch {
    return 0
  }
}

test.skipIf(process.platform !== 'linux')('120 MB more of input are not 80 MB more of memory', async () => {
  const small = await peakBytesOf(50)
  const large = await peakBytesOf(1_250)
  expect(small).toBeGreaterThan(20_000_000)
  expect(large - small).toBeLessThan(80_000_000)
})
