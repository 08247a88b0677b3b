import { expect, test } from 'vitest'
import { boundedWarnings } from '../../../src/cli/batch/reporter.ts'

function told(count: number): string[] {
  const lines: string[] = []
  const warnings = boundedWarnings(line => lines.push(line))
  for (let item = 1; item <= count; item++) warnings.warn(`item ${item}`)
  warnings.end()
  return lines
}

test('a few warnings are shown as they come, and nothing is added', () => {
  expect(told(2)).toEqual(['item 1', 'item 2'])
})

test('of many the first ones and the last one are shown, the others counted', () => {
  const lines = told(1_500)
  expect(lines).toHaveLength(22)
  expect(lines.slice(18)).toEqual([
    'item 19',
    'item 20',
    'more of these are counted, and not shown',
    'and 1,480 more warnings, the last one: item 1500',
  ])
})
