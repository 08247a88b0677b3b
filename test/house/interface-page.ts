import { read } from './source-files.ts'

/** docs/interface.md, as the tests read it. */
export const page: string = read('docs/interface.md')

/** A row of the table of refusals, one code each. */
export interface Refusal {
  readonly code: string
  readonly status: number
  /** What `x-should-retry` says; undefined: it is not sent. */
  readonly shouldRetry: boolean | undefined
}

/** A row of the table of response headers. */
export interface AnswerHeader {
  readonly name: string
  /** Those that stand in the row as code: the words that it may say. */
  readonly words: readonly string[]
}

/** The cells of the table that has this head, row by row, without the blanks around them. */
function rowsOf(head: string): string[][] {
  const at = page.indexOf(head)
  if (at < 0) throw new Error(`docs/interface.md has no table ${head}`)
  const lines = page.slice(at).split('\n').slice(2)
  const end = lines.findIndex(line => !line.startsWith('|'))
  return lines.slice(0, end).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

const moreFlags = page.match(/`--(?:admin-bodies|hash-keys)`/g)?.map(flag => flag.replaceAll('`', '')) ?? []
const tableFlags = rowsOf('| flag | default | meaning |').flatMap(([cell = '']) => cell.match(/--[a-z-]+/g) ?? [])

export const flags: readonly string[] = [...new Set([...tableFlags, ...moreFlags])]

/** Every code of the page, those that never cross the wire among them. */
export const codes: readonly string[] = [...new Set(page.match(/`[A-Z]{2,}(?:_[A-Z]+)*`/g) ?? [])]
  .map(code => code.replaceAll('`', ''))
  .filter(code => !code.startsWith('RETRYSAFE_'))

export const subpaths: readonly string[] =
  (/^Subpaths of `retrysafe`: (.*)$/m.exec(page)?.[1] ?? '').match(/\.\/?[a-z-]*(?:\/[a-z-]+)?(?=`)/g) ?? []

/** Several codes of one row stand beside each other, as do their statuses and words; one word alone is for all. */
export const refusals: readonly Refusal[] = rowsOf('| situation | status | `code` | x-should-retry |').flatMap(
  ([situation = '', statuses = '', names = '', words = '']) => {
    const split = names.split(' / ').map(name => name.replaceAll('`', ''))
    return split.map((code, at) => ({
      code,
      status: Number(partOf(statuses, at, split.length, situation)),
      shouldRetry: wordOf(partOf(words, at, split.length, situation)),
    }))
  },
)

export const answerHeaders: readonly AnswerHeader[] = rowsOf('| header | values |').map(([name = '', values = '']) => ({
  name: name.replaceAll('`', ''),
  words: (values.match(/`[a-z]+`/g) ?? []).map(word => word.replaceAll('`', '')),
}))

function partOf(cell: string, at: number, count: number, situation: string): string {
  const parts = cell.split(' / ')
  if (parts.length !== 1 && parts.length !== count) throw new Error(`${situation}: ${cell} is not for ${count} codes`)
  return parts[parts.length === 1 ? 0 : at] ?? ''
}

/** What follows a comma or a semicolon explains. */
function wordOf(cell: string): boolean | undefined {
  const word = cell.split(/[,;]/)[0]?.trim()
  if (word === 'true' || word === 'false') return word === 'true'
  if (word === '' || word === '–') return undefined
  throw new Error(`x-should-retry takes true, false or nothing, not ${cell}`)
}
