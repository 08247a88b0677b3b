import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PrepareError } from './prepare-error.mjs'

const store = 'packages/retrysafe/src/stores/redis'

/** Where the texts of the `.lua` files go: a module, so that bundlers carry them and nothing is read at run time. */
export const embeddedLuaPath = `${store}/embedded-lua.ts`

/**
 * Writes that module anew; leaves it alone, with its date, when nothing changed.
 * @throws {PrepareError} a script includes a part that is not there
 */
export function embedLua(root) {
  const folder = join(root, store, 'commands')
  if (!existsSync(folder)) return
  const names = readdirSync(folder).filter(name => name.endsWith('.lua'))
  const scripts = names.sort().map(name => [name.slice(0, -'.lua'.length), composeScript(root, `commands/${name}`)])
  const text = moduleOf(scripts)
  const path = join(root, embeddedLuaPath)
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  // At once: another process may be compiling.
  writeFileSync(`${path}.${process.pid}`, text)
  renameSync(`${path}.${process.pid}`, path)
}

/** The script as Redis gets it: its parts in their places, each once, without the lines that are nothing but a comment. */
function composeScript(root, name) {
  const included = new Set()
  const linesOf = file => {
    const path = join(root, store, file)
    if (!existsSync(path)) throw new PrepareError(`${store}/${name} includes ${file}, which is not there`)
    return readFileSync(path, 'utf8')
      .split(/\r?\n/)
      .flatMap(line => {
        const part = /^--!include (\w+)$/.exec(line)?.[1]
        if (part === undefined) return /^\s*(--|$)/.test(line) ? [] : [line]
        if (included.has(part)) return []
        included.add(part)
        return linesOf(`parts/${part}.lua`)
      })
  }
  return `${linesOf(name).join('\n')}\n`
}

function moduleOf(scripts) {
  return `// Written by scripts/embed-lua.mjs at each build, from the .lua files beside it; not kept in git.

export const scripts = {
${scripts.map(([name, text]) => `  ${name}: ${JSON.stringify(text)},\n`).join('')}} as const
`
}
