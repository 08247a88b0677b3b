import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { exitCodeOf } from './stop-signals.mjs'

const patienceMs = 5_000

/**
 * Starts one command of the `retrysafe` bin as a service that says when it is ready.
 *
 * It has its own process group, so that a terminal's Ctrl-C reaches it only through us, once; and an IPC channel whose
 * closing tells it that we are gone, even by kill -9.
 * `ready` resolves with its ready message and that message's `line`, or with undefined if it ended before; `ended`
 * with how it ended. All else that it prints on stdout is passed through.
 */
export function startService(bin, args, { cwd, env }) {
  const stdio = ['ignore', 'pipe', 'inherit', 'ipc']
  const child = spawn(process.execPath, [bin, ...args], { cwd, env, stdio, detached: true })
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    // Not 'close': a worker that outlives it for a moment would hold our end open.
    child.once('exit', (code, signal) => resolve({ exitCode: code ?? exitCodeOf(signal), code, signal }))
  })
  const lines = createInterface({ input: child.stdout })
  const ready = new Promise(resolve => {
    lines.on('line', line => {
      const message = parseReady(line)
      if (message) resolve({ ...message, line })
      else process.stdout.write(`${line}\n`)
    })
    const drained = new Promise(done => lines.once('close', done))
    const giveUp = () => Promise.race([drained, delay(500, undefined, { ref: false })]).then(() => resolve(undefined))
    ended.then(giveUp, giveUp)
  })
  const terminate = () => child.kill('SIGTERM')
  const end = async () => {
    terminate()
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    await ended
    clearTimeout(timer)
  }
  return { ready, ended, terminate, end }
}

function parseReady(line) {
  try {
    const message = JSON.parse(line)
    return message?.event === 'ready' ? message : undefined
  } catch {
    return undefined
  }
}
