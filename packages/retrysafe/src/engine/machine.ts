import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Who this process is among all that may ever open the same file, and whether another one still lives.
 * A lease that was granted on another clock cannot be compared; an owner that is gone need not be waited for.
 */
export interface Machine {
  /** Names the monotonic clock: the boot, and the time namespace. Leases compare only within one. */
  readonly clockName: string
  /** This process: clock, pid namespace, pid, start time. Never the same for two processes. */
  readonly processName: string
  /** True only when it is certain: the same boot, the same pid namespace, and no such process any more. */
  isGone(processName: string): boolean
  /** The pid of a process that is stopped (SIGSTOP, SIGTSTP): it may hold what others wait for. */
  stoppedPid(processName: string): number | undefined
}

/** Reads it from the platform. Linux knows everything; elsewhere no owner is ever seen as gone: the lease decides. */
export function readMachine(): Machine {
  const clockName = [readBootId(), readNamespace('time')].join('.')
  const place = `${clockName}/${readNamespace('pid')}`
  // Nobody may take a process for gone that could not read its own start time.
  const startTime = readStatus('self')?.startTime || `unknown${Date.now()}`
  const processName = `${place}/${process.pid}/${startTime}`
  return {
    clockName,
    processName,
    isGone(name) {
      const seen = name === processName ? undefined : look(name, place)
      return seen !== undefined && !seen.isThere
    },
    stoppedPid(name) {
      const seen = name === processName ? undefined : look(name, place)
      return seen?.isThere && seen.state === 'T' ? seen.pid : undefined
    },
  }
}

/** Looks at another process by its name; `undefined`: from here it cannot be seen. */
function look(name: string, place: string): { pid: number; isThere: boolean; state: string } | undefined {
  const [pid = '', startTime] = name.split('/').slice(-2)
  if (process.platform !== 'linux' || placeOf(name) !== place || !/^\d+$/.test(startTime ?? '')) return undefined
  const status = readStatus(pid)
  if (status === undefined) return undefined
  const { state } = status
  const isThere = status.startTime === startTime && state !== 'Z' && state !== 'X'
  return { pid: Number(pid), isThere, state }
}

function readBootId(): string {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    if (process.platform === 'darwin') {
      return execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
    }
  } catch {
    // Without a boot id, clocks of different boots are told apart by what cannot be: a lease that ends too late.
  }
  return 'boot'
}

function readNamespace(kind: 'pid' | 'time'): string {
  try {
    return readlinkSync(`/proc/self/ns/${kind}`).replace(/\D/g, '')
  } catch {
    return '0'
  }
}

/**
 * The state's letter, and the start in clock ticks since the boot; empty when there is no such process; `undefined`
 * when that cannot be told: no file descriptor is left, or /proc hides the processes of others.
 */
function readStatus(pid: string): { state: string; startTime: string } | undefined {
  try {
    // The second field is the command in parentheses, which may hold anything; state and start time follow it.
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state = '', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state, startTime: fields[18] ?? '' }
  } catch {
    return isThere(Number(pid)) ? undefined : { state: '', startTime: '' }
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as { code?: unknown }).code !== 'ESRCH'
  }
}

export function pidOf(processName: string): number {
  return Number(processName.split('/').at(-2))
}

/** Boot, time namespace and pid namespace: within one, processes can see each other. */
export function placeOf(processName: string): string {
  return processName.split('/').slice(0, -2).join('/')
}
