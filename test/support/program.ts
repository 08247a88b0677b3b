import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const binary = fileURLToPath(new URL('../../packages/gateway/bin/retrysafe.js', import.meta.url))
const readyWithinMs = 20_000
const endsWithinMs = 2_500
const runsWithinMs = 10_000

export type Environment = Readonly<Record<string, string>>

/** How a program ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The `retrysafe` binary as a process of its own, listening. */
export interface Program {
  /** What its ready line says. */
  readonly ready: Readonly<Record<string, string>>
  readonly exited: Promise<Exit>
  readonly pid: number
  /** All that it has written to stderr so far. */
  stderr(): string
  /** Asks it to end, as an init system does. */
  terminate(): void
  /** SIGKILL: it does nothing more, and nothing in good order. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGSTOP: it stands still until `resume`. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Ends it for good: SIGTERM, and SIGKILL when that does not help. May be called again. */
  stop(): Promise<void>
}

/** What a program that ended by itself leaves. */
export interface Ended extends Exit {
  readonly stdout: string
  readonly stderr: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * Starts `retrysafe` with these arguments and waits until it is ready.
 *
 * @param wrapper a command that turns into the program, such as `prlimit --fsize=9 --`
 */
export async function startProgram(
  args: readonly string[],
  environment: Environment = {},
  wrapper: readonly string[] = [],
): Promise<Program> {
  // With the channel it ends when this process is gone, however that happens.
  const child = launch(args, environment, wrapper, true)
  const stderr = collect(child.stderr)
  const exited = exitOf(child)
  return {
    ready: await readyLine(child, args, exited, stderr),
    exited,
    pid: child.pid ?? 0,
    stderr,
    terminate: () => void child.kill('SIGTERM'),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: () => stop(child, exited),
  }
}

/** Runs `retrysafe` with these arguments to its own end; one that does not end is killed, and `signal` tells it. */
export async function runProgram(
  args: readonly string[],
  environment: Environment = {},
  wrapper: readonly string[] = [],
): Promise<Ended> {
  const child = launch(args, environment, wrapper, false)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const timer = setTimeout(() => child.kill('SIGKILL'), runsWithinMs)
  const [exit] = await Promise.all([exitOf(child), once(child, 'close')])
  clearTimeout(timer)
  return { ...exit, stdout: stdout(), stderr: stderr() }
}

function launch(
  args: readonly string[],
  environment: Environment,
  wrapper: readonly string[],
  tied: boolean,
): ChildProcess {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('RETRYSAFE_'))
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, binary, ...args]
  const child = spawn(command, rest, {
    env: { ...Object.fromEntries(ours), ...environment },
    stdio: tied ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  return child
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  running.delete(child)
  return { code, signal }
}

function collect(stream: Readable | null): () => string {
  let text = ''
  stream?.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  return () => text
}

async function readyLine(
  child: ChildProcess,
  args: readonly string[],
  exited: Promise<Exit>,
  stderr: () => string,
): Promise<Readonly<Record<string, string>>> {
  if (child.stdout === null) throw new Error('stdout is no pipe')
  const lines = createInterface({ input: child.stdout })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(resolve, readyWithinMs, 'late')
  })
  const first = await Promise.race([once(lines, 'line'), exited, late])
  clearTimeout(timer)
  if (Array.isArray(first)) return JSON.parse(String(first[0])) as Record<string, string>
  child.kill('SIGKILL')
  const how = first === 'late' ? `was not ready within ${readyWithinMs} ms` : `ended with ${first.code ?? first.signal}`
  throw new Error(`retrysafe ${args.join(' ')} ${how}; stderr: ${stderr() || '(empty)'}`)
}

async function stop(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
  if (!running.has(child)) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), endsWithinMs)
  await exited
  clearTimeout(timer)
}
