import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findTool } from './system-tool.ts'

const run = promisify(execFile)
const readyWithinMs = 10_000
/** tmux does not always know how a program ended, and writes into the screen when it has. */
const script = 'trap : INT; "$@"; echo $? > "$0"; exec tail -f /dev/null'

/** A real terminal (tmux, on a server of its own) in which one program runs. */
export interface Terminal {
  /** What its screen shows now, without the empty lines at its end. */
  screen(): Promise<string>
  /** As when somebody drags its edge. */
  resize(columns: number, rows: number): Promise<void>
  /** Presses a key, by tmux's name for it: `C-c`. */
  press(key: string): Promise<void>
  /** The program's exit code; `undefined` while it runs. */
  exitCode(): number | undefined
  stop(): Promise<void>
}

export interface TerminalOptions {
  readonly columns: number
  readonly rows: number
  readonly folder: string
}

const servers = new Set<ChildProcess>()
process.on('exit', () => {
  for (const server of servers) server.kill('SIGKILL')
})

/**
 * Starts a program in a terminal of this size.
 *
 * @throws {Error} tmux is missing, with what to install
 */
export async function startTerminal(command: readonly string[], options: TerminalOptions): Promise<Terminal> {
  const tmux = await findTool('tmux')
  const home = mkdtempSync(join(tmpdir(), 'retrysafe-tmux-'))
  const [socket, exitFile] = [join(home, 'socket'), join(home, 'exit')]
  const { TMUX: _, ...inherited } = process.env
  const environment = { ...inherited, LC_ALL: 'C.UTF-8' }
  // In the foreground: it ends with this process.
  const server = spawn(tmux, ['-D', '-u', '-S', socket, '-f', '/dev/null'], { env: environment, stdio: 'ignore' })
  servers.add(server)
  const exited = once(server, 'exit')
  const ask = async (...args: string[]): Promise<string> => (await run(tmux, ['-u', '-S', socket, ...args])).stdout

  async function stop(): Promise<void> {
    if (servers.delete(server)) {
      server.kill('SIGKILL')
      await exited
    }
    rmSync(home, { recursive: true, force: true })
  }

  try {
    const lateMs = performance.now() + readyWithinMs
    while (!existsSync(socket)) {
      if (performance.now() > lateMs) throw new Error(`tmux was not ready within ${readyWithinMs} ms`)
      await pause(10)
    }
    const size = ['-x', String(options.columns), '-y', String(options.rows)]
    const rules = ['set-option', '-g', 'status', 'off', ';']
    const shell = ['sh', '-c', script, exitFile, ...command]
    await ask(...rules, 'new-session', '-d', ...size, '-c', options.folder, '--', ...shell)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    screen: async () => (await ask('capture-pane', '-p')).replace(/\n+$/, ''),
    resize: async (columns, rows) => void (await ask('resize-window', '-x', String(columns), '-y', String(rows))),
    press: async key => void (await ask('send-keys', key)),
    exitCode() {
      const code = existsSync(exitFile) ? readFileSync(exitFile, 'utf8').trim() : ''
      return code === '' ? undefined : Number(code)
    },
    stop,
  }
}
