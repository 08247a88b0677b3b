import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { read, root } from './source-files.ts'

const page = read('docs/guarantees.md')
const stores = ['memory', 'LMDB', 'PostgreSQL', 'Redis']
const moments = [
  'before the claim',
  'claimed, not dispatched',
  'dispatched, no head',
  'in mid-stream',
  'answer whole, not completed',
  'completed, not delivered',
]

interface Row {
  readonly stores: readonly string[]
  readonly moments: readonly string[]
  /** What is said between the moment and the test. */
  readonly told: readonly string[]
  readonly shownBy: string
}

/** The table under a heading. */
function rowsUnder(heading: string): Row[] {
  const section = page.slice(page.indexOf(`## ${heading}\n`))
  const lines = section.split('\n')
  const from = lines.findIndex(line => line.startsWith('|---')) + 1
  const end = lines.findIndex((line, at) => at >= from && !line.startsWith('|'))
  return lines.slice(from, end).map(line => {
    const cells = line.split('|').map(cell => cell.trim())
    const [its = '', when = '', ...told] = cells.slice(1, -1)
    const shownBy = told.pop() ?? ''
    return { stores: its.split(', '), moments: when === 'any' ? moments : when.split('; '), told, shownBy }
  })
}

/** Each test that is named: the file of the last link before it, and its title. */
function testsIn(text: string): { file: string; title: string }[] {
  let file = ''
  return [...text.matchAll(/\]\(\.\.\/(test\/[^)\s]+\.ts)\)|“([^”]+)”/g)].flatMap(([, link, title]) => {
    if (link !== undefined) file = link
    return title === undefined ? [] : [{ file, title }]
  })
}

describe.each(['A gateway dies', 'The store dies'])('%s', heading => {
  const rows = rowsUnder(heading)

  test('each store has a row for each moment, and one only', () => {
    const places = rows.flatMap(row => row.stores.flatMap(store => row.moments.map(moment => `${store}: ${moment}`)))
    const all = stores.flatMap(store => moments.map(moment => `${store}: ${moment}`))
    expect(places.sort()).toEqual(all.sort())
  })

  test('each row says what is seen, and names a test or why there can be none', () => {
    for (const { told, shownBy } of rows) {
      expect(told[0]?.length).toBeGreaterThan(5)
      expect(testsIn(shownBy).length > 0 || told[0]?.startsWith('cannot be:')).toBe(true)
    }
  })
})

test('every test that the page names is there, in the file that it links, by that title', () => {
  const named = testsIn(page)
  expect(named.length).toBeGreaterThan(18)
  const missing = named.filter(({ file, title }) => {
    const source = existsSync(join(root, file)) ? read(file) : ''
    return !["'", '"', '`'].some(quote => source.includes(quote + title + quote))
  })
  expect(missing).toEqual([])
})
