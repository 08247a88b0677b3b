import { spawn } from 'node:child_process'
import { exitCodeOf, onStopSignals } from './stop-signals.mjs'

const patienceMs = 5_000

/**
 * Runs a command on this process's own output streams; resolves with its exit code and, if this process was told to stop
 * meanwhile, the signal. The command has its own process group, so that a signal reaches all of it, once, through us,
 * and nothing that it started (vitest's workers, a server under test) outlives it.
 */
export function runInForeground(file, args, { cwd, env = process.env }) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true })
    let stopped
    let timer
    const offStop = onStopSignals(signal => {
      stopped ??= signal
      signalGroup(child, signal)
      timer ??= setTimeout(() => signalGroup(child, 'SIGKILL'), patienceMs)
    })
    const settle = () => {
      offStop()
      clearTimeout(timer)
      if (stopped) signalGroup(child, 'SIGKILL')
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

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}
