import type { Timers } from '../../engine/clock.ts'
import type { Machine } from './machine.ts'
import { sleep } from './sleep.ts'

/** How long a stopped process may run: a commit takes less. */
const runMs = 20

/**
 * Lets processes that were stopped (SIGSTOP) run for a moment, then stops them again: one of them may hold LMDB's lock,
 * in the middle of a commit, and all others would wait for as long as it is stopped.
 */
export function releaseStopped(processNames: readonly string[], machine: Machine, timers: Timers): void {
  const released = resume(processNames, machine)
  if (released.length > 0) timers.after(runMs, () => stop(released))
}

/** The same, for who cannot go on before. */
export function releaseStoppedNow(processNames: readonly string[], machine: Machine): void {
  const released = resume(processNames, machine)
  if (released.length === 0) return
  sleep(runMs)
  stop(released)
}

function resume(processNames: readonly string[], machine: Machine): number[] {
  return processNames
    .map(name => machine.stoppedPid(name))
    .filter(pid => pid !== undefined)
    .filter(pid => send(pid, 'SIGCONT'))
}

function stop(pids: readonly number[]): void {
  for (const pid of pids) send(pid, 'SIGSTOP')
}

function send(pid: number, signal: 'SIGCONT' | 'SIGSTOP'): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    // Somebody else's process, or none any more.
    return false
  }
}
