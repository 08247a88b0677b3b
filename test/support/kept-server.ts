import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Command, KeeperLine, type Life } from './keeper-line.ts'
import { unprivilegedUser } from './unprivileged-user.ts'

const keeper = fileURLToPath(new URL('keeper.mjs', import.meta.url))
const readyWithinMs = 30_000

// A killed vitest leaves its workers behind, and they would keep their servers.
process.once('disconnect', () => process.exit(1))

/**
 * A server of a test that belongs to a process beside the test's (keeper.mjs): both the server and its folder are gone
 * soon after the test's process is, also when that was killed.
 */
export interface KeptServer {
  /** Its own, in the system's folder for temporary files. */
  readonly folder: string
  /**
   * Starts it, one life at a time, and waits until `isReady`.
   *
   * @throws {Error} it ended instead, or was not ready within 30 s; with what it wrote
   */
  start(command: Command, isReady: (life: Life) => boolean): Promise<Life>
  /** Runs a program in the folder to its end. @throws {Error} its exit code was not 0; with what it wrote */
  run(command: Command): Promise<void>
  /** Sends `signal` and waits until it is gone. It may be gone already. */
  end(signal: NodeJS.Signals): Promise<void>
  /** SIGKILL to it and all its children at once; resolves when all are gone. It may be gone already. */
  kill(): Promise<void>
  /** All that was written to stdout and stderr, in all lives. */
  log(): string
  /** The end of the server, of its folder and of its keeper. May be called again. */
  discard(): Promise<void>
}

/** Makes the folder of a server, and its keeper; `name` becomes part of the folder's name. */
export function keepServer(name: string): KeptServer {
  const user = unprivilegedUser()
  const folder = mkdtempSync(join(tmpdir(), `retrysafe-${name}-`))
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const child = fork(keeper, [folder], { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  const line = new KeeperLine(child)
  const logFile = join(folder, 'log')
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '')
  const failure = (how: string, command: string, seen: number): Error =>
    new Error(`${basename(command)} ${how}; it wrote: ${log().slice(seen)}`)
  return {
    folder,
    async start(command, isReady) {
      const seen = log().length
      const life = await line.start(command, user)
      const lateMs = performance.now() + readyWithinMs
      while (!isReady(life)) {
        if (life.isOver()) throw failure(`ended with ${await life.exited}`, command.command, seen)
        if (performance.now() > lateMs) {
          await line.kill()
          throw failure(`was not ready within ${readyWithinMs} ms`, command.command, seen)
        }
        await pause(10)
      }
      return life
    },
    async run(command) {
      const seen = log().length
      const exit = await (await line.start(command, user)).exited
      if (exit !== 0) throw failure(`ended with ${exit}`, command.command, seen)
    },
    end: signal => line.end(signal),
    kill: () => line.kill(),
    log,
    async discard() {
      if (!child.connected) return
      const gone = once(child, 'exit')
      child.ref()
      child.disconnect()
      await gone
    },
  }
}
