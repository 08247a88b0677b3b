import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { commands, migrations } from '../../../src/stores/postgres/embedded-sql.ts'

/**
 * The SQL of each version, by digest. A schema at a version is taken for whole by every library of that version, so what
 * was released stays as it is. Any change, of a command too, is a new version: a migration (`SELECT 1;` if it has nothing
 * to do; DROP FUNCTION for a command that takes or answers something else) and a row here.
 * `released: false`: nobody has it yet, and its digests may be replaced by those that the failing test shows.
 */
const versions: readonly { version: number; released: boolean; migration: string; commands: string }[] = [
  { version: 1, released: false, migration: '75feb62f2d918ed5', commands: 'e64240c3f63eb2a5' },
]

function digestOf(files: readonly { name: string; text: string }[]): string {
  const hash = createHash('sha256')
  for (const { name, text } of files) hash.update(`${name}\0${text}\0`)
  return hash.digest('hex').slice(0, 16)
}

test('every migration is the one that its version was released with', () => {
  const found = migrations.map(migration => ({ version: migration.version, migration: digestOf([migration]) }))
  expect(found).toEqual(versions.map(({ version, migration }) => ({ version, migration })))
})

test('the commands are those that the newest version was released with', () => {
  expect(digestOf(commands)).toBe(versions.at(-1)?.commands)
})

test('only the newest version may be unreleased', () => {
  expect(versions.slice(0, -1).filter(({ released }) => !released)).toEqual([])
})
