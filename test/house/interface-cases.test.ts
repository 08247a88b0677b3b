import { problemKinds } from 'retrysafe/internal/protocol/problem'
import { expect, test } from 'vitest'
import { answerHeaders, flags, refusals } from './interface-page.ts'
import { notBuilt, reasons } from './not-built.ts'
import { filesBelow, read } from './source-files.ts'

/** A test's source without what only speaks of things: its comments and the titles of its cases. */
function codeOf(path: string): string {
  return read(path)
    .replace(/^\s*\/\*\*?[\s\S]*?\*\//gm, '')
    .replace(/(^|\s)\/\/ .*$/gm, '')
    .replace(/\b(test|describe)(\.each)?\(\s*(['"`]).*?\3,/gs, '')
}

/** Its own test says what the table says: no evidence that anything answers so. */
const table = 'packages/retrysafe/test/protocol/problem.test.ts'
const served = [...filesBelow('test/e2e', '.ts'), ...filesBelow('test/sdk', '.ts')]
  .filter(path => !path.endsWith('gateway-usage.test.ts'))
  .map(codeOf)
const all = [
  ...served,
  ...['test/server-cases', 'packages/retrysafe/test', 'packages/gateway/test']
    .flatMap(folder => filesBelow(folder, '.ts'))
    .filter(path => path !== table)
    .map(codeOf),
]

/** Near each other, in either order: in one row, or in one expectation. */
function areTogether(source: string, one: string, other: string): boolean {
  const between = '[^]{0,100}?'
  return new RegExp(`${one}${between}${other}|${other}${between}${one}`).test(source)
}

test('the tables are read at all, cell by cell', () => {
  expect(refusals).toHaveLength(27)
  expect(refusals).toContainEqual({ code: 'BODY_TIMEOUT', status: 408, shouldRetry: true })
  expect(refusals).toContainEqual({ code: 'HANDLER_FAILED', status: 500, shouldRetry: undefined })
  expect(answerHeaders.map(({ name }) => name)).toEqual([
    'Idempotent-Replayed',
    'Retrysafe-Outcome',
    'Retrysafe-Key',
    'Retrysafe-Stream',
    'Age',
  ])
})

test('the table of refusals says what goes over the wire: each code, its status, and whether to come again', () => {
  const kinds = Object.entries(problemKinds).map(
    ([code, kind]: [string, { status: number; shouldRetry?: boolean }]) => ({
      code,
      status: kind.status,
      shouldRetry: kind.shouldRetry,
    }),
  )
  const byCode = (one: { code: string }, other: { code: string }): number => (one.code < other.code ? -1 : 1)
  expect([...refusals].sort(byCode)).toEqual(kinds.sort(byCode))
})

test('every refusal has a case that expects its code together with its status', () => {
  const unproven = refusals.filter(
    ({ code, status }) => !all.some(source => areTogether(source, `\\b${code}\\b`, `\\b${status}\\b`)),
  )
  expect(unproven.map(({ code }) => code)).toEqual(
    refusals.map(({ code }) => code).filter(code => notBuilt.codes.includes(code)),
  )
})

test('every refusal that tells an SDK whether to come again has a case that expects so', () => {
  const unproven = refusals.filter(({ code, shouldRetry }) => {
    if (shouldRetry === undefined || notBuilt.codes.includes(code)) return false
    const word = `(?:\\bshouldRetry: '?${shouldRetry}\\b|\\bx-should-retry'?\\]?.{0,30}${shouldRetry}\\b|'${shouldRetry}')`
    return !all.some(source => areTogether(source, `\\b${code}\\b`, word))
  })
  expect(unproven.map(({ code }) => code)).toEqual([])
})

test('every response header, and every word that it may say, is expected of a real gateway', () => {
  const missing = answerHeaders.flatMap(({ name, words }) => {
    const sources = served.filter(
      source =>
        source.toLowerCase().includes(`'${name.toLowerCase()}'`) ||
        (name === 'Age' && /headers\.age\b|\bage:/.test(source)),
    )
    if (sources.length === 0) return [name]
    return words.filter(word => !sources.some(source => source.includes(`'${word}'`))).map(word => `${name}: ${word}`)
  })
  expect(missing).toEqual([])
})

test('every flag that is built is given to a real gateway, on its command line or in its environment', () => {
  const missing = flags.filter(flag => {
    const variable = `RETRYSAFE_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`
    const given = new RegExp(`['"\`]${flag}['"\`= ]|\\b${variable}(_FILE)?\\b`)
    return !notBuilt.flags.includes(flag) && !served.some(source => given.test(source))
  })
  expect(missing).toEqual([])
})

test('whatever is not built says what brings it', () => {
  const { flags, codes, subpaths } = notBuilt
  expect([...flags, ...codes, ...subpaths].filter(name => (reasons[name] ?? '').length < 10)).toEqual([])
})
