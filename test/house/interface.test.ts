import { codesInCode } from 'retrysafe/internal/engine/errors'
import { problemKinds } from 'retrysafe/internal/protocol/problem'
import { expect, test } from 'vitest'
import { builtInPart, notBuilt } from './not-built.ts'
import { filesBelow, read } from './source-files.ts'

const page = read('docs/interface.md')
const tests = [
  ...filesBelow('test/e2e', '.ts'),
  ...filesBelow('packages/retrysafe/test', '.ts'),
  ...filesBelow('packages/gateway/test', '.ts'),
]
  .map(read)
  .join('\n')

/** The first cells of the rows of the table that has this head. */
function firstCells(head: string): string[] {
  const lines = page.slice(page.indexOf(head)).split('\n').slice(2)
  return lines
    .slice(
      0,
      lines.findIndex(line => !line.startsWith('|')),
    )
    .map(line => line.split('|')[1] ?? '')
}

const pageFlags = firstCells('| flag | default | meaning |').flatMap(cell => cell.match(/--[a-z-]+/g) ?? [])
const moreFlags = page.match(/`--(?:admin-bodies|hash-keys)`/g)?.map(flag => flag.replaceAll('`', '')) ?? []
const flags = [...new Set([...pageFlags, ...moreFlags])]
const codes = [...new Set(page.match(/`[A-Z]{2,}(?:_[A-Z]+)*`/g) ?? [])]
  .map(code => code.replaceAll('`', ''))
  .filter(code => !code.startsWith('RETRYSAFE_'))
const subpaths =
  (/^Subpaths of `retrysafe`: (.*)$/m.exec(page)?.[1] ?? '').match(/\.\/?[a-z-]*(?:\/[a-z-]+)?(?=`)/g) ?? []

const { serveFlags } = await import('../../packages/gateway/src/config/flags.ts')
const builtFlags = Object.values(serveFlags).map(({ flag }) => flag.split(' ')[0] ?? '')
const exported = Object.keys(JSON.parse(read('packages/retrysafe/package.json')).exports)

test('the page is read at all', () => {
  expect(flags.length).toBeGreaterThan(35)
  expect(codes.length).toBeGreaterThan(25)
  expect(subpaths).toHaveLength(15)
})

test('every flag of the page is built or on the list, and no other flag exists', () => {
  expect(flags.filter(flag => !builtFlags.includes(flag) && !notBuilt.flags.includes(flag))).toEqual([])
  expect(notBuilt.flags.filter(flag => builtFlags.includes(flag))).toEqual([])
  expect(builtFlags.filter(flag => !flags.includes(flag))).toEqual([])
})

test('every flag that is built has a case', () => {
  expect(builtFlags.filter(flag => !tests.includes(flag))).toEqual([])
})

test('every code of the page is in the code, and the other way round', () => {
  expect(codes.sort()).toEqual([...Object.keys(problemKinds), ...codesInCode].sort())
})

test('every code has a case or stands on the list', () => {
  const unproven = codes.filter(code => !tests.includes(code))
  expect(unproven.filter(code => !notBuilt.codes.includes(code))).toEqual([])
})

test('every code has its section in docs/errors.md', () => {
  const sections = [...read('docs/errors.md').matchAll(/^### ([A-Z_]+)$/gm)].map(match => match[1])
  expect(sections.sort()).toEqual([...codes].sort())
})

test('every subpath is exported or on the list', () => {
  expect(subpaths.filter(path => !exported.includes(path) && !notBuilt.subpaths.includes(path))).toEqual([])
  expect(notBuilt.subpaths.filter(path => exported.includes(path))).toEqual([])
})

test('what is built in part says what is missing', () => {
  for (const missing of Object.values(builtInPart)) expect(missing.length).toBeGreaterThan(10)
})
