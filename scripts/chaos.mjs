import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runInForeground } from './foreground-command.mjs'
import { prepareOrExit, root } from './prepare.mjs'

/**
 * `npm run chaos:lmdb -- --kills 500 [--seed 1]`, and so for each store that has a kill test: that test, for as long as
 * you like. `npm run chaos:redis -- --rounds 10` has so many failovers of each kind, too; `npm run chaos:batch -- --items
 * 20000 --kills 5 --rounds 2` a batch of so many items, its runner killed five times and its gateway twice.
 */
const [store, ...args] = process.argv.slice(2)
const [kills = '', ...others] = ['kills', 'failover', 'any-moment'].map(name => `test/fault/${store}/${name}.test.ts`)
if (!existsSync(join(root, kills))) exit(`there is no ${kills}`)
const tests = [kills, ...others].filter(test => existsSync(join(root, test)))
const most = store === 'batch' ? { kills: '5', rounds: '2' } : { kills: '500', rounds: '10' }
const { values } = parseArgs({
  args,
  options: {
    kills: { type: 'string', default: most.kills },
    rounds: { type: 'string', default: most.rounds },
    items: { type: 'string', default: '20000' },
    seed: { type: 'string' },
  },
})
for (const name of ['kills', 'rounds', 'items']) {
  if (!/^[1-9]\d*$/.test(values[name])) exit(`--${name} takes a number from 1, not ${values[name]}`)
}
await prepareOrExit()
const given = {
  KILLS: values.kills,
  ROUNDS: values.rounds,
  ITEMS: values.items,
  ...(values.seed !== undefined && { SEED: values.seed }),
}
const vitest = join(root, 'node_modules', '.bin', 'vitest')
const { code } = await runInForeground(process.execPath, [vitest, 'run', ...tests], {
  cwd: root,
  env: { ...process.env, ...given },
})
process.exit(code)

function exit(why) {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}
