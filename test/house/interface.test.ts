import { codesInCode } from 'retrysafe/internal/engine/errors'
import { problemKinds } from 'retrysafe/internal/protocol/problem'
import { expect, test } from 'vitest'
import { codes, flags, subpaths } from './interface-page.ts'
import { builtInPart, notBuilt } from './not-built.ts'
import { filesBelow, read } from './source-files.ts'

const tests = [
  ...filesBelow('test/e2e', '.ts'),
  ...filesBelow('packages/retrysafe/test', '.ts'),
  ...filesBelow('packages/gateway/test', '.ts'),
]
  .map(read)
  .join('\n')

const { serveFlags } = await import('../../packages/gateway/src/config/flags.ts')
const { startFlags } = await import('../../packages/gateway/src/config/start-flags.ts')
const builtFlags = [...Object.values(serveFlags), ...Object.values(startFlags)].map(
  ({ flag }) => flag.split(' ')[0] ?? '',
)
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

test('every code of the page is in the code, and the other way round', () => {
  expect([...codes].sort()).toEqual([...Object.keys(problemKinds), ...codesInCode].sort())
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
