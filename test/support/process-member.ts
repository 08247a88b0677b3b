import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A program of a test in a process of its own. It answers questions; it ends when this process does. */
export interface Member {
  readonly pid: number
  /** One life of one process: no two members have the same. */
  readonly name: string
  /**
   * Asks the program; its answer, as JSON carries it.
   *
   * @throws {Error} what the program threw, or that it ended before it answered
   */
  ask<Answer>(question: string, input?: unknown): Promise<Answer>
  /** `hear` is called with everything that the program tells unasked. */
  listen(hear: (news: unknown) => void): void
  /** SIGKILL; resolves once it is gone and collected. May be called again. */
  kill(): Promise<void>
  /** SIGSTOP */
  stop(): void
  /** SIGCONT */
  resume(): void
  /** One letter, as in /proc: R, S or D while it lives, T while it is stopped; undefined once it is gone. */
  state(): string | undefined
}

interface Reply {
  readonly id: number
  readonly answer?: unknown
  readonly error?: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
let count = 0

/** Starts a program (an .mjs file that begins with `answerParent`); `settings` is what it is given at the start. */
export function startMember(program: URL, settings: object = {}, execArgv: readonly string[] = []): Member {
  const child = fork(fileURLToPath(program), [JSON.stringify(settings)], {
    execArgv: [...execArgv],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'json',
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${program.pathname} did not start`)
  count += 1
  const name = `${pid}-${count}`
  running.add(child)
  const gone = once(child, 'exit').then(() => {
    running.delete(child)
  })
  const questions = new Questions(child, name)
  return {
    pid,
    name,
    ask: (question, input) => questions.ask(question, input),
    listen: hear =>
      void child.on('message', message => {
        if (!isReply(message)) hear(message)
      }),
    kill: () => {
      if (running.has(child)) child.kill('SIGKILL')
      return gone
    },
    stop: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    state: () => stateOf(pid),
  }
}

/** Ends everybody who is still there. */
export async function killAll(members: Iterable<Member>): Promise<void> {
  await Promise.all([...members].map(member => member.kill()))
}

class Questions {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  #count = 0
  #isOver = false

  constructor(child: ChildProcess, name: string) {
    this.#child = child
    child.on('message', message => {
      if (isReply(message)) this.#settle(message)
    })
    // A kill in the middle of a message breaks the channel: the end of the process is what counts.
    child.on('error', () => {})
    child.once('exit', (code, signal) => {
      this.#isOver = true
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended with ${code ?? signal}`))
      this.#waiting.clear()
    })
  }

  ask<Answer>(question: string, input: unknown): Promise<Answer> {
    const { promise, resolve, reject } = withResolvers<Answer>()
    if (this.#isOver) reject(new Error('the process is gone'))
    else {
      this.#count += 1
      this.#waiting.set(this.#count, { resolve: answer => resolve(answer as Answer), reject })
      this.#child.send({ id: this.#count, question, input }, () => {})
    }
    return promise
  }

  #settle({ id, answer, error }: Reply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(answer)
    else waiting?.reject(new Error(error))
  }
}

function isReply(message: unknown): message is Reply {
  return typeof message === 'object' && message !== null && 'id' in message
}

function withResolvers<Value>(): {
  promise: Promise<Value>
  resolve: (value: Value) => void
  reject: (error: Error) => void
} {
  let resolve: (value: Value) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}

function stateOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3)
  } catch {
    return undefined
  }
}
