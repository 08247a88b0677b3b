import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runInForeground } from './foreground-command.mjs'
import { prepareOrExit, root } from './prepare.mjs'

/** `npm run chaos:lmdb -- --kills 500 [--seed 1]`: the kill test of the LMDB store, for as long as you like. */
const { values } = parseArgs({ options: { kills: { type: 'string', default: '500' }, seed: { type: 'string' } } })
if (!/^[1-9]\d*$/.test(values.kills)) {
  process.stderr.write(`--kills takes a number from 1, not ${values.kills}\n`)
  process.exit(2)
}
await prepareOrExit()
const env = { ...process.env, KILLS: values.kills, ...(values.seed !== undefined && { SEED: values.seed }) }
const vitest = join(root, 'node_modules', '.bin', 'vitest')
const { code } = await runInForeground(process.execPath, [vitest, 'run', 'test/fault/lmdb/kills.test.ts'], {
  cwd: root,
  env,
})
process.exit(code)
