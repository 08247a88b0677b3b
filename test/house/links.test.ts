import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { filesBelow, read, root } from './source-files.ts'

const pages = ['README.md', 'ARCHITECTURE.md', ...filesBelow('docs', '.md')]

test('every link from page to file leads somewhere', () => {
  const dead = pages.flatMap(page => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1] ?? '')
    const files = links.filter(link => !/^(https?:|#|mailto:)/.test(link)).map(link => link.split('#')[0] ?? '')
    return files.filter(file => !existsSync(join(root, dirname(page), file))).map(file => `${page}: ${file}`)
  })
  expect(dead).toEqual([])
})

test('every test that a page of the articles names is there by that name', () => {
  const page = read('docs/from-the-articles.md')
  const named = [...page.matchAll(/“([^”]+)”/g)].map(match => match[1] ?? '')
  const linked = [...page.matchAll(/\]\(\.\.\/([^)\s]+\.ts)\)/g)].map(match => match[1] ?? '')
  const cases = [...filesBelow('test/server-cases', '.ts'), ...linked].map(read).join('\n')
  expect(named.length).toBeGreaterThanOrEqual(8)
  expect(named.filter(name => !cases.includes(name))).toEqual([])
})
