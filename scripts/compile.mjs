import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { embedLua } from './embed-lua.mjs'
import { embedSql } from './embed-sql.mjs'
import { runQuietly } from './quiet-command.mjs'

const stampPath = join('node_modules', '.retrysafe-build.json')
const outputEndings = ['.js', '.js.map', '.d.ts', '.d.ts.map']

/** True when the sources, configurations and package files are those of the last good build, and its output is there. */
export function isBuilt(root) {
  const files = listInputs(root)
  return readStamp(root).digest === digestOf(root, files) && missingOutputs(root, files).length === 0
}

/** `tsc -b`. The digest is taken before and stored after: what changes meanwhile is built the next time. */
export async function build(root, lock) {
  const files = listInputs(root)
  const digest = digestOf(root, files)
  const before = readStamp(root).files
  // Until a build succeeds, the stamp keeps every source that may have left output behind.
  writeStamp(root, { digest: '', files: [...new Set([...before, ...files])] })
  for (const file of before.filter(file => !files.includes(file))) removeOutputs(root, file)
  const tsc = join(root, 'node_modules', '.bin', 'tsc')
  // tsc trusts its own record of what it has written; --force when somebody removed a part of it.
  const force = missingOutputs(root, files).length > 0 ? ['--force'] : []
  const advice = 'correct the errors above, then run the same command again'
  await runQuietly('tsc -b', [process.execPath, tsc, '-b', ...force], { cwd: root, advice, lock })
  writeStamp(root, { digest, files })
}

/** Every file that decides the build's output, as sorted paths relative to `root`. One is made of others, here: the SQL. */
function listInputs(root) {
  embedSql(root)
  embedLua(root)
  const isConfig = name => /^tsconfig.*\.json$/.test(name)
  const inRoot = readdirSync(root).filter(isConfig)
  const inPackages = readdirSync(join(root, 'packages')).flatMap(name => {
    const folder = join('packages', name)
    if (!existsSync(join(root, folder, 'package.json'))) return []
    const settings = readdirSync(join(root, folder)).filter(file => file === 'package.json' || isConfig(file))
    return [...settings.map(file => join(folder, file)), ...listFiles(root, join(folder, 'src'))]
  })
  return [...inRoot, ...inPackages].sort()
}

function listFiles(root, folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? listFiles(root, path) : [path]
  })
}

function digestOf(root, files) {
  const hash = createHash('sha256')
  for (const file of files) {
    const bytes = readFileSync(join(root, file))
    hash.update(`${file}\0${bytes.length}\0`).update(bytes)
  }
  return hash.digest('hex')
}

/** The path in dist, without ending, of what a source compiles to; undefined for what emits nothing. */
function outputStem(file) {
  const parts = /^(packages.[^/\\]+.)src(.+)\.ts$/.exec(file)
  return parts && !file.endsWith('.d.ts') ? `${parts[1]}dist${parts[2]}` : undefined
}

function missingOutputs(root, files) {
  return files.map(outputStem).filter(stem => stem !== undefined && !existsSync(join(root, `${stem}.js`)))
}

// tsc leaves the output of a deleted source behind; imports of it would go on working here and break in a fresh clone.
function removeOutputs(root, file) {
  const stem = outputStem(file)
  if (stem) for (const ending of outputEndings) rmSync(join(root, `${stem}${ending}`), { force: true })
}

function readStamp(root) {
  try {
    return JSON.parse(readFileSync(join(root, stampPath), 'utf8'))
  } catch {
    return { digest: undefined, files: [] }
  }
}

const writeStamp = (root, stamp) => writeFileSync(join(root, stampPath), JSON.stringify(stamp))
