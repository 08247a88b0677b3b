import type { ChildProcess } from 'node:child_process'

/** How to start a program: in the foreground, in the folder of its keeper, as an unprivileged user. */
export interface Command {
  readonly command: string
  readonly args: readonly string[]
  /** What ends it at once, whatever becomes of its connections; sent when nobody is left who needs it. */
  readonly signal: NodeJS.Signals
}

/** One run of a program. */
export interface Life {
  readonly pid: number
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  isOver(): boolean
}

interface Reply {
  readonly id: number
  readonly answer?: unknown
  readonly error?: string
}

interface Exit {
  readonly pid: number
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Questions to a keeper (keeper.mjs), and what it tells unasked. While a question is open, this process does not end. */
export class KeeperLine {
  readonly #keeper: ChildProcess
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  #count = 0
  #onExit: (exit: Exit) => void = () => {}

  constructor(keeper: ChildProcess) {
    this.#keeper = keeper
    keeper.on('message', (message: Reply | Exit) => {
      if ('id' in message) this.#settle(message)
      else this.#onExit(message)
    })
    keeper.once('exit', () => {
      for (const id of this.#waiting.keys()) this.#settle({ id, error: 'its keeper is gone' })
    })
    keeper.unref()
    keeper.channel?.unref()
  }

  async start(command: Command, user: object | undefined): Promise<Life> {
    let isOver = false
    const exited = new Promise<number | NodeJS.Signals>(resolve => {
      this.#onExit = ({ code, signal }) => {
        isOver = true
        resolve(signal ?? code ?? -1)
      }
    })
    const pid = await this.#ask<number>('start', { ...command, user })
    return { pid, exited, isOver: () => isOver }
  }

  /** Sends `signal` to the program that runs, if one does, and waits until it is gone. */
  end(signal: NodeJS.Signals): Promise<void> {
    return this.#ask('end', signal)
  }

  /** SIGKILL to the program and all its children, if one runs; resolves when all are gone. */
  kill(): Promise<void> {
    return this.#ask('kill')
  }

  async #ask<Answer = void>(question: string, input?: unknown): Promise<Answer> {
    this.#count += 1
    const id = this.#count
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#keeper.channel?.ref()
    this.#keeper.send({ id, question, input }, error => {
      if (error !== null) this.#settle({ id, error: error.message })
    })
    return (await answer) as Answer
  }

  #settle({ id, answer, error }: Reply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#keeper.channel?.unref()
    if (error === undefined) waiting?.resolve(answer)
    else waiting?.reject(new Error(error))
  }
}
