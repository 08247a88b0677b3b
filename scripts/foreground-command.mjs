import { spawn } from 'node:child_process'
import { exitCodeOf, onStopSignals } from './stop-signals.mjs'

const patienceMs = 5_000

/**
 * Runs a command on this process's own terminal and streams; resolves with its exit code and, if this process was told
 * to stop meanwhile, the signal. SIGTERM is passed on at once. SIGINT is not: from a terminal the command has it too,
 * and to most tools a second one means "at once"; so it gets a while to end by itself.
 */
export function runInForeground(file, args, { cwd, env = process.env }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: 'inherit' })
    let stopped
    const timers = []
    const offStop = onStopSignals(signal => {
      stopped ??= signal
      timers.push(setTimeout(() => child.kill('SIGTERM'), signal === 'SIGINT' ? patienceMs : 0))
      timers.push(setTimeout(() => child.kill('SIGKILL'), 2 * patienceMs))
    })
    const settle = () => {
      offStop()
      for (const timer of timers) clearTimeout(timer)
    }
    child.once('error', error => {
      settle()
      reject(error)
    })
    child.once('close', (code, signal) => {
      settle()
      resolve({ code: code ?? exitCodeOf(signal), stopped })
    })
  })
}
