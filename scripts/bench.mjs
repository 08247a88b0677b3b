import { runInForeground } from './foreground-command.mjs'
import { prepareOrExit, root } from './prepare.mjs'

await prepareOrExit()
const { code } = await runInForeground(process.execPath, ['bench/run.mjs', ...process.argv.slice(2)], { cwd: root })
process.exit(code)
