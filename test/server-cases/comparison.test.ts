import { expect, test } from 'vitest'
import { read } from '../house/source-files.ts'
import { comparisons, describeComparisons } from './comparison.ts'
import { table } from './table.ts'
import { traps } from './traps.ts'

test('every behaviour of the others has a case that shows ours', () => {
  const cases = new Set([...table, ...traps].map(({ name }) => name))
  expect(comparisons.filter(({ case: name }) => !cases.has(name))).toEqual([])
  expect([...new Set(comparisons.map(({ whose }) => whose))].sort()).toEqual([
    'Powertools',
    'Stripe',
    'express-idempotency',
    'node-idempotency',
  ])
})

test('docs/server-comparison.md shows exactly these', () => {
  const page = read('docs/server-comparison.md')
  expect(page.slice(page.indexOf('| whose |')).trim()).toBe(describeComparisons())
})

test('no two cases go by one name', () => {
  const names = table.map(({ name }) => name)
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
})
