import { spawn } from 'node:child_process'
import { PrepareError } from './prepare-error.mjs'
import { exitCodeOf, onStopSignals } from './stop-signals.mjs'

/**
 * Runs a command and keeps its output to itself; if it fails, the whole of it goes with the error, which names the
 * command (`name`) and says what to do (`advice`).
 * A signal to this process ends the command first: an orphaned `npm ci` would write under the next one's feet.
 * For the same reason `lock`, when given, names the command's process too.
 */
export function runQuietly(name, [file, ...args], { cwd, env = process.env, advice, lock }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const leave = child.pid === undefined ? () => {} : (lock?.enter(child.pid) ?? (() => {}))
    const chunks = []
    child.stdout.on('data', chunk => chunks.push(chunk))
    child.stderr.on('data', chunk => chunks.push(chunk))
    let stopped
    const offStop = onStopSignals(signal => {
      stopped = signal
      child.kill('SIGTERM')
    })
    const settle = failure => {
      offStop()
      leave()
      const output = Buffer.concat(chunks).toString()
      if (stopped) reject(new PrepareError('interrupted', { exitCode: exitCodeOf(stopped) }))
      else if (failure) reject(new PrepareError(`${failure}: ${advice}`, { output }))
      else resolve()
    }
    child.once('error', error => settle(`${file} could not be run (${error.code})`))
    child.once('close', (code, signal) =>
      settle(code === 0 ? undefined : `${name} failed (${signal ?? `exit ${code}`})`),
    )
  })
}
