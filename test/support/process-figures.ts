import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** CLOCK_MONOTONIC in ms: the same in every process of this machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The most memory that a process has ever held. */
export function peakMemoryBytes(pid: number): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  if (kibibytes === undefined) throw new Error(`no figure for process ${pid}`)
  return Number(kibibytes) * 1_024
}

/** Whether every thread of a process stands still: a stop signal is on its way for as long as one of them runs. */
export function isStopped(pid: number): boolean {
  const states = readdirSync(`/proc/${pid}/task`).map(thread => stateOf(`/proc/${pid}/task/${thread}/stat`))
  return states.every(state => state === 'T')
}

/** The state stands behind the name, which may hold anything. */
function stateOf(statFile: string): string | undefined {
  const text = readFileSync(statFile, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2)[0]
}

/** The value below which `share` (0 to 1) of the numbers lie; NaN of none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Median, 99th percentile and maximum, in one line. */
export function spread(numbers: readonly number[]): string {
  const [p50, p99, max] = [0.5, 0.99, 1].map(share => quantile(numbers, share).toFixed(1))
  return `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (${numbers.length})`
}

/** A folder of a test's processes; to be removed at the end, when nobody uses it any more. */
export function makeProcessFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'retrysafe-processes-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
