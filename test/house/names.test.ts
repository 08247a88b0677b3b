import { expect, test } from 'vitest'
import { filesBelow, read } from './source-files.ts'

const sources = [...filesBelow('packages/retrysafe/src', '.ts'), ...filesBelow('packages/gateway/src', '.ts')]

test('files are kebab-case nouns, none is a drawer for everything', () => {
  const wrong = sources.filter(path => {
    const name = path.split('/').at(-1)?.replace(/\.ts$/, '') ?? ''
    return (
      !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ||
      /^(utils?|helpers?|common|lib|types|interfaces|managers?|base)$/.test(name)
    )
  })
  expect(wrong).toEqual([])
})

test('a file owns one thing: none is over 300 lines', () => {
  expect(sources.filter(path => read(path).split('\n').length > 300)).toEqual([])
})

test('the lock file names no registry', () => {
  for (const path of ['package-lock.json', 'test/sdk/newest/package-lock.json']) {
    expect(read(path)).not.toMatch(/"resolved": "https?:/)
  }
})
