import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runInForeground } from './foreground-command.mjs'
import { prepareOrExit, root } from './prepare.mjs'

/**
 * `npm run chaos:lmdb -- --kills 500 [--seed 1]`, and so for each store that has a kill test: that test, for as long as
 * you like.
 */
const [store, ...args] = process.argv.slice(2)
const test = `test/fault/${store}/kills.test.ts`
if (!existsSync(join(root, test))) exit(`there is no ${test}`)
const { values } = parseArgs({ args, options: { kills: { type: 'string', default: '500' }, seed: { type: 'string' } } })
if (!/^[1-9]\d*$/.test(values.kills)) exit(`--kills takes a number from 1, not ${values.kills}`)
await prepareOrExit()
const env = { ...process.env, KILLS: values.kills, ...(values.seed !== undefined && { SEED: values.seed }) }
const vitest = join(root, 'node_modules', '.bin', 'vitest')
const { code } = await runInForeground(process.execPath, [vitest, 'run', test], { cwd: root, env })
process.exit(code)

function exit(why) {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}
