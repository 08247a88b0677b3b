import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { commands, migrations } from 'retrysafe/internal/stores/postgres/embedded-sql'
import { expect, onTestFinished, test } from 'vitest'
import { filesBelow, read } from './source-files.ts'

const store = 'packages/retrysafe/src/stores/postgres'
const script: string = new URL('../../scripts/embed-sql.mjs', import.meta.url).href
const { embedSql, embeddedPath } = (await import(script)) as { embedSql(root: string): void; embeddedPath: string }

/** A checkout with nothing but these files of SQL, and what was made of them. */
function embed(files: Readonly<Record<string, string>>): { module: () => string; root: string } {
  const root = mkdtempSync(join(tmpdir(), 'retrysafe-sql-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, store, name)), { recursive: true })
    writeFileSync(join(root, store, name), text)
  }
  embedSql(root)
  return { root, module: () => readFileSync(join(root, embeddedPath), 'utf8') }
}

test('what is embedded is what the files say; if not: npm run build', () => {
  const files = filesBelow(store, '.sql').map(path => ({ name: path.slice(store.length + 1), text: read(path) }))
  const embedded = [...commands, ...migrations].map(({ name, text }) => ({ name, text }))
  expect(embedded).toEqual(files)
})

test('migrations are numbered, files come in order, and line ends are the same everywhere', () => {
  const { module } = embed({
    'migrations/0002.sql': 'SELECT 2;\r\n',
    'migrations/0001.sql': 'SELECT 1;\n',
    'commands/b.sql': "SELECT '`$b`';",
    'commands/a.sql': 'SELECT 1;',
    'commands/notes.txt': 'no SQL',
  })
  expect(
    module()
      .split('\n')
      .filter(line => line.startsWith('  {')),
  ).toEqual([
    String.raw`  {"version":1,"name":"migrations/0001.sql","text":"SELECT 1;\n"},`,
    String.raw`  {"version":2,"name":"migrations/0002.sql","text":"SELECT 2;\n"},`,
    '  {"name":"commands/a.sql","text":"SELECT 1;"},',
    '  {"name":"commands/b.sql","text":"SELECT \'`$b`\';"},',
  ])
})

test('it is written anew only when something changed', () => {
  const { root, module } = embed({ 'migrations/0001.sql': 'SELECT 1;' })
  const written = statSync(join(root, embeddedPath), { bigint: true })
  embedSql(root)
  expect(statSync(join(root, embeddedPath), { bigint: true })).toMatchObject({
    ino: written.ino,
    mtimeNs: written.mtimeNs,
  })
  writeFileSync(join(root, store, 'migrations/0001.sql'), 'SELECT 2;')
  embedSql(root)
  expect(module()).toContain('SELECT 2;')
})

test.each([
  [
    'a gap between versions',
    { 'migrations/0002.sql': 'SELECT 1;' },
    'migrations/0002.sql should be migrations/0001.sql',
  ],
  ['a name of another kind', { 'migrations/first.sql': 'SELECT 1;' }, 'should be migrations/0001.sql'],
  ['a statement without its end', { 'commands/a.sql': 'SELECT 1\n' }, 'commands/a.sql does not end with a ;'],
])('%s is refused', (_, files, message) => {
  expect(() => embed(files)).toThrow(message)
})
