import { anything } from './model-record.ts'

/** Where the two differ, numbers named `…Ms` by more than `slackMs`; in words, or `undefined`. */
export function difference(actual: unknown, expected: unknown, slackMs: number): string | undefined {
  const found = find(actual, expected, slackMs, '')
  if (found === undefined) return undefined
  const path = found.path.length > 0 ? ` as ${found.path.join('.')}` : ''
  return `${JSON.stringify(found.actual)}${path}, and should ${JSON.stringify(found.expected)}`
}

interface Difference {
  readonly path: readonly string[]
  readonly actual: unknown
  readonly expected: unknown
}

function find(actual: unknown, expected: unknown, slackMs: number, name: string): Difference | undefined {
  if (expected === anything || Object.is(actual, expected)) return undefined
  if (isTree(actual) && isTree(expected)) return findWithin(actual, expected, slackMs)
  const close = typeof actual === 'number' && typeof expected === 'number' && Math.abs(actual - expected) <= slackMs
  return close && name.endsWith('Ms') ? undefined : { path: [], actual, expected }
}

function findWithin(actual: Tree, expected: Tree, slackMs: number): Difference | undefined {
  for (const name in expected) {
    const found = find(actual[name], expected[name], slackMs, name)
    if (found !== undefined) return { ...found, path: [name, ...found.path] }
  }
  for (const name in actual) {
    if (!(name in expected)) return { path: [name], actual: actual[name], expected: undefined }
  }
  return undefined
}

type Tree = Readonly<Record<string, unknown>>

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null
}
