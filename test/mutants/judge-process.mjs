import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const host = fileURLToPath(new URL('judge-host.mjs', import.meta.url))
/** A suite that does not end is no finding: a mutant must be caught by what a test says. */
const patienceMs = 180_000

/** The process that runs suites in `folder` (judge-host.mjs): started at the first, and again after one that did not end. */
export class JudgeProcess {
  #folder
  #child
  /** What vitest itself had to say. */
  #output = ''

  constructor(folder) {
    this.#folder = folder
  }

  /** @returns what judge-host.mjs answers; a `problem` too when there is no answer within three minutes */
  run(question) {
    this.#child ??= this.#start()
    const child = this.#child
    return new Promise(resolve => {
      const settle = answer => {
        clearTimeout(timer)
        child.removeAllListeners('message')
        child.removeAllListeners('close')
        resolve(answer)
      }
      const fail = problem => {
        this.end()
        settle({ passed: 0, failed: [], problem, said: '' })
      }
      const timer = setTimeout(() => fail(`no end after ${patienceMs / 1_000} s`), patienceMs)
      child.once('message', settle)
      child.once('close', () => fail(`vitest ended without a result\n${this.#output}`))
      child.send(question, error => error && fail(`vitest is gone: ${error.message}`))
    })
  }

  /** Its own process group, so that vitest's workers end with it. */
  #start() {
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc']
    const child = fork(host, [], { cwd: this.#folder, stdio, detached: true })
    this.#output = ''
    child.stderr.on('data', chunk => {
      this.#output = `${this.#output}${chunk}`.slice(-4_000)
    })
    return child
  }

  /** Kills it; may be called at any time. */
  end() {
    const child = this.#child
    this.#child = undefined
    if (child?.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
}
