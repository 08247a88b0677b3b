import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type LedgerEntry, memoryLedger, openLedger, readLedgers } from './ledger.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const first: LedgerEntry = {
  process: 'p1',
  key: 'k',
  owner: 'a',
  fence: 1,
  attempt: 1,
  phase: 'dispatched',
  atMs: 5.25,
}
const second: LedgerEntry = { ...first, phase: 'reported', atMs: 9 }

test('entries are in the file as soon as they are added, one line each', () => {
  const path = join(folder, 'p1')
  const ledger = openLedger(path)
  ledger.add(first)
  expect(readFileSync(path, 'utf8')).toBe(
    '{"process":"p1","key":"k","owner":"a","fence":1,"attempt":1,"phase":"dispatched","atMs":5.25}\n',
  )
  ledger.add(second)
  ledger.close()
  expect(readLedgers([path])).toEqual([first, second])
})

test('wherever the writer was killed, whole lines are read and a torn one never began', () => {
  const path = join(folder, 'p1')
  const lines = [first, second].map(entry => `${JSON.stringify(entry)}\n`)
  const whole = lines.join('')
  const firstBytes = lines[0]?.length ?? 0
  for (let cut = 0; cut <= whole.length; cut += 1) {
    writeFileSync(path, whole.slice(0, cut))
    const count = cut < firstBytes ? 0 : cut < whole.length ? 1 : 2
    expect(readLedgers([path])).toEqual([first, second].slice(0, count))
  }
})

test('a damaged line before the last is an error, not silence', () => {
  const path = join(folder, 'p1')
  writeFileSync(path, '{"process":"p1"\n')
  appendFileSync(path, `${JSON.stringify(first)}\n`)
  expect(() => readLedgers([path])).toThrow('p1:1 is no JSON line')
})

test('a file belongs to one process life', () => {
  const path = join(folder, 'p1')
  openLedger(path).close()
  expect(() => openLedger(path)).toThrow('EEXIST')
})

test('several ledgers are read in the order of time', () => {
  const [one, two] = [join(folder, 'p1'), join(folder, 'p2')]
  const other: LedgerEntry = { ...first, process: 'p2', atMs: 7 }
  for (const [path, entries] of [[one, [first, second]] as const, [two, [other]] as const]) {
    const ledger = openLedger(path)
    for (const entry of entries) ledger.add(entry)
    ledger.close()
  }
  expect(readLedgers([one, two])).toEqual([first, other, second])
})

test('the ledger in memory keeps the same', () => {
  const ledger = memoryLedger()
  ledger.add(first)
  ledger.add(second)
  ledger.close()
  expect(ledger.entries).toEqual([first, second])
})
