import type { Machine } from '../../engine/machine.ts'
import { sleep } from './sleep.ts'

/** How long a stopped process may run: a commit takes less. */
const runMs = 20

/**
 * Lets processes that were stopped (SIGSTOP) run for a moment, then stops them again: one of them may hold LMDB's lock,
 * in the middle of a commit, and all others would wait for as long as it is stopped. This process stands still
 * meanwhile: a timer might be late, and stop what its operator has let go on.
 */
export function releaseStopped(processNames: readonly string[], machine: Machine): void {
  const released = processNames
    .map(name => machine.stoppedPid(name))
    .filter(pid => pid !== undefined)
    .filter(pid => send(pid, 'SIGCONT'))
  if (released.length === 0) return
  sleep(runMs)
  for (const pid of released) send(pid, 'SIGSTOP')
}

function send(pid: number, signal: 'SIGCONT' | 'SIGSTOP'): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    // Somebody else's process, or none any more.
    return false
  }
}
