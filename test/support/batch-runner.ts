import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Ended, Environment } from './program.ts'

const binary = fileURLToPath(new URL('../../packages/gateway/bin/retrysafe.js', import.meta.url))

/** One life of `retrysafe batch run`. */
export interface BatchRunner {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** What it has written to stdout so far. */
  stdout(): string
  /** SIGKILL, unless it has ended already. Resolves when it is gone. */
  kill(): Promise<Ended>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts `retrysafe batch run` with these arguments; it may take as long as it takes, unlike `runProgram`. */
export function startBatch(
  args: readonly string[],
  environment: Environment = {},
  cwd: string = process.cwd(),
): BatchRunner {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('RETRYSAFE_'))
  const child = spawn(process.execPath, [binary, 'batch', 'run', ...args], {
    cwd,
    env: { ...Object.fromEntries(ours), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const texts = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (piece: string) => {
      texts[stream] += piece
    })
  }
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    running.delete(child)
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, ...texts }
  })
  return {
    pid: child.pid ?? 0,
    ended,
    stdout: () => texts.stdout,
    kill() {
      child.kill('SIGKILL')
      return ended
    },
  }
}
