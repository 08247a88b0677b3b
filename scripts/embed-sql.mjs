import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PrepareError } from './prepare-error.mjs'

const store = 'packages/retrysafe/src/stores/postgres'

/** Where the texts of the `.sql` files go: a module, so that bundlers carry them and nothing is read at run time. */
export const embeddedPath = `${store}/embedded-sql.ts`

/**
 * Writes that module anew; leaves it alone, with its date, when nothing changed.
 * @throws {PrepareError} a migration is misnamed, or one is missing between others, or a file ends in mid-statement
 */
export function embedSql(root) {
  const text = moduleOf(readMigrations(root), readCommands(root))
  const path = join(root, embeddedPath)
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  // At once: another process may be compiling.
  writeFileSync(`${path}.${process.pid}`, text)
  renameSync(`${path}.${process.pid}`, path)
}

/** `migrations/0001.sql` and on, without a gap. */
function readMigrations(root) {
  return readSql(root, 'migrations').map(({ name, text }, index) => {
    const version = index + 1
    const expected = `migrations/${String(version).padStart(4, '0')}.sql`
    if (name !== expected) throw new PrepareError(`${store}/${name} should be ${expected}: versions have no gaps`)
    return { version, name, text }
  })
}

const readCommands = root => readSql(root, 'commands')

function readSql(root, folder) {
  const path = join(root, store, folder)
  const names = existsSync(path) ? readdirSync(path).filter(name => name.endsWith('.sql')) : []
  return names.sort().map(name => {
    // The same text, and so the same digest, wherever git writes line ends of its own.
    const text = readFileSync(join(path, name), 'utf8').replaceAll('\r\n', '\n')
    if (!text.trimEnd().endsWith(';')) throw new PrepareError(`${store}/${folder}/${name} does not end with a ;`)
    return { name: `${folder}/${name}`, text }
  })
}

function moduleOf(migrations, commands) {
  return `// Written by scripts/embed-sql.mjs at each build, from the .sql files beside it; not kept in git.
import type { Migration, SqlFile } from './migration-plan.ts'

export const migrations: readonly Migration[] = ${listOf(migrations)}

export const commands: readonly SqlFile[] = ${listOf(commands)}
`
}

const listOf = items => `[\n${items.map(item => `  ${JSON.stringify(item)},\n`).join('')}]`
