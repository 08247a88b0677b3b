import { execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * The parent of a server of a test, and the owner of its folder (the argument): when the test's process is gone,
 * however that happened, it ends the one and removes the other. It has a session of its own, so that what ends a whole
 * process group leaves it there to do so. It answers `start`, `end` and `kill`, and tells each `exit`.
 */
const [folder] = process.argv.slice(2)
const endsWithinMs = 3_000

let server
let endSignal = 'SIGTERM'
let exited = Promise.resolve()

const answers = {
  /** Starts the server; what it writes goes to the file `log` in the folder. Answers its pid. */
  async start({ command, args, user, signal }) {
    if (server) throw new Error('it is running')
    const log = openSync(join(folder, 'log'), 'a')
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', log, log], ...user })
    closeSync(log)
    if (child.pid === undefined) throw await new Promise(resolve => child.once('error', resolve))
    server = child
    endSignal = signal
    exited = new Promise(resolve => child.once('exit', resolve)).then(() => {
      server = undefined
      tell({ pid: child.pid, code: child.exitCode, signal: child.signalCode })
    })
    return child.pid
  },

  /** Sends the signal to the server and waits until it is gone. */
  async end(signal) {
    server?.kill(signal)
    await exited
  },

  /** SIGKILL to the server and all its children. It stands still meanwhile, so that it makes no more of them. */
  async kill() {
    if (!server) return
    server.kill('SIGSTOP')
    const children = childrenOf(server.pid)
    for (const pid of children) kill(pid)
    server.kill('SIGKILL')
    await exited
    while (!children.every(isGone)) await pause(2)
  },
}

process.on('disconnect', async () => {
  const timer = setTimeout(answers.kill, endsWithinMs)
  await answers.end(endSignal)
  clearTimeout(timer)
  rmSync(folder, { recursive: true, force: true })
})
process.on('message', async ({ id, question, input }) => {
  try {
    tell({ id, answer: (await answers[question](input)) ?? null })
  } catch (error) {
    tell({ id, error: String(error?.message ?? error) })
  }
})

function tell(message) {
  if (process.connected) process.send(message, () => {})
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function childrenOf(parent) {
  return listProcesses()
    .filter(({ parentPid }) => parentPid === parent)
    .map(({ pid }) => pid)
}

/** One that has ended and that nobody has collected yet is gone too. */
function isGone(pid) {
  return !listProcesses().some(process => process.pid === pid && !process.state.startsWith('Z'))
}

/** From /proc where there is one: a small Debian has no ps. */
function listProcesses() {
  if (existsSync('/proc/self/stat')) {
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .flatMap(readProcess)
  }
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' }).trim().split('\n')
  return lines.map(line => parseProcess(...line.trim().split(/\s+/)))
}

/** proc(5): pid (name) state ppid …; the name may have blanks and parentheses in it. */
function readProcess(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parentPid] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return [parseProcess(pid, parentPid, state)]
  } catch {
    return []
  }
}

function parseProcess(pid, parentPid, state) {
  return { pid: Number(pid), parentPid: Number(parentPid), state }
}
