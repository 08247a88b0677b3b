import { parseArgs } from 'node:util'
import { runInForeground } from './foreground-command.mjs'
import { prepareOrExit, root } from './prepare.mjs'

const replayed = ['memory', 'lmdb', 'postgres', 'redis']
const usage = `npm run simulate -- [--seeds N, default 100000] [--from N, default 1] [--seed N: plays and tells one]
  [--replay ${replayed.join('|')}: replays what the seeds ask of their store to another one; --seeds: default 1000]`

const { from, seed, replay, seeds = replay === undefined ? '100000' : '1000' } = readOptions()
await prepareOrExit()
const env = {
  ...process.env,
  SIMULATION_SEEDS: seeds,
  SIMULATION_FROM: from,
  ...(seed !== undefined && { SEED: seed }),
}
const files =
  replay === undefined
    ? ['test/simulation/simulation.test.ts', 'test/simulation/other-half.test.ts']
    : [`test/simulation/replay-${replay}.test.ts`, '--testNamePattern', '^(one seed|many seeds)']
// The interception of the console would hold the progress back.
const args = ['node_modules/vitest/vitest.mjs', 'run', '--disable-console-intercept=true', ...files]
const { code } = await runInForeground(process.execPath, args, { cwd: root, env })
process.exit(code)

/** Numbers and a store's name, or the usage and the end. */
function readOptions() {
  const whole = /^\d{1,9}$/
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
        replay: { type: 'string' },
      },
    })
    const { seeds = '0', from, seed = '0', replay = 'memory' } = values
    if ([seeds, from, seed].every(value => whole.test(value)) && replayed.includes(replay)) return values
  } catch {
    // Said below.
  }
  process.stderr.write(`${usage}\n`)
  process.exit(2)
}
