import { parseArgs } from 'node:util'
import { runInForeground } from './foreground-command.mjs'
import { prepareOrExit, root } from './prepare.mjs'

const usage = 'npm run simulate -- [--seeds N, default 100000] [--from N, default 1] [--seed N: plays and tells one]'

const { seeds, from, seed } = readOptions()
await prepareOrExit()
const env = {
  ...process.env,
  SIMULATION_SEEDS: seeds,
  SIMULATION_FROM: from,
  ...(seed !== undefined && { SEED: seed }),
}
const files = ['test/simulation/simulation.test.ts', 'test/simulation/other-half.test.ts']
// The interception of the console would hold the progress back.
const args = ['node_modules/vitest/vitest.mjs', 'run', '--disable-console-intercept=true', ...files]
const { code } = await runInForeground(process.execPath, args, { cwd: root, env })
process.exit(code)

/** Three numbers, or the usage and the end. */
function readOptions() {
  const whole = /^\d{1,9}$/
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '100000' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
      },
    })
    if ([values.seeds, values.from, values.seed ?? '0'].every(value => whole.test(value))) return values
  } catch {
    // Said below.
  }
  process.stderr.write(`${usage}\n`)
  process.exit(2)
}
