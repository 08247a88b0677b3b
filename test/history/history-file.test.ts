import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { monotonicMs, openHistoryFile, readHistoryFile } from './history-file.ts'
import type { Operation } from './operation.ts'
import { acquired, claim, complete, ok } from './told-history.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'history-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Claims, completes another key meanwhile, and never hears of its second claim. */
function write(path: string): void {
  let nowMs = 0
  const file = openHistoryFile(path, () => {
    nowMs += 1.5
    return nowMs
  })
  const claimed = file.invoke('k', claim('a'))
  const done = file.invoke('l', complete(3, 'z', 'v'))
  done(ok)
  claimed(acquired(1, 'a'))
  file.invoke('k', claim('b'))
  file.close()
}

const operations: Operation[] = [
  { process: 'p', key: 'k', call: claim('a'), invokedAtMs: 1.5, returnedAtMs: 6, result: acquired(1, 'a') },
  { process: 'p', key: 'l', call: complete(3, 'z', 'v'), invokedAtMs: 3, returnedAtMs: 4.5, result: ok },
  { process: 'p', key: 'k', call: claim('b'), invokedAtMs: 7.5 },
]

test('reads what was written, also calls that overlap and one that nobody answered', () => {
  const path = join(folder, 'p')
  write(path)
  expect(readHistoryFile(path, 'p')).toEqual(operations)
})

test('a kill at any byte leaves a true beginning: no answer is made up, no call that was sent is missing', () => {
  const path = join(folder, 'p')
  write(path)
  const text = readFileSync(path, 'utf8')
  const cutPath = join(folder, 'cut')
  for (let cut = 0; cut <= text.length; cut += 1) {
    writeFileSync(cutPath, text.slice(0, cut))
    const wholeLines = text.slice(0, cut).split('\n').length - 1
    const calls = [0, 1, 2, 2, 2, 3][wholeLines]
    const answers = [0, 0, 0, 1, 2, 2][wholeLines]
    const read = readHistoryFile(cutPath, 'p')
    expect([read.length, read.filter(({ result }) => result !== undefined).length]).toEqual([calls, answers])
  }
})

test('a return without invoke is an error', () => {
  const path = join(folder, 'p')
  writeFileSync(path, '{"line":"return","number":0,"result":{"kind":"ok"},"atMs":1}\n')
  expect(() => readHistoryFile(path, 'p')).toThrow('return 0 has no invoke')
})

test('the clock is the machine’s, not the process’s', () => {
  const uptimeMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000
  expect(Math.abs(monotonicMs() - uptimeMs)).toBeLessThan(60_000)
})
