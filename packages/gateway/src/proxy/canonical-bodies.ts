import { Worker } from 'node:worker_threads'
import {
  type BodyInput,
  bodyForm,
  type CanonicalBody,
  canonicalBody,
} from 'retrysafe/internal/fingerprint/canonical-body'
import { codingsOf } from 'retrysafe/internal/fingerprint/content-coding'

/** Up to here a hostile body takes the event loop 5 ms, an ordinary one under 1 ms: no more than the way to a thread. */
const maxLoopBytes = 131_072
/** Bodies that wait for the thread; they are in memory anyway, with their calls. */
const maxWaiting = 1_000

export interface CanonicalBodiesOptions {
  readonly log: (message: string) => void
  /** The thread's program. Default: canonical-worker.js, beside this file. */
  readonly program?: URL
}

interface Job {
  readonly input: BodyInput
  readonly resolve: (body: CanonicalBody) => void
  readonly reject: (error: unknown) => void
}

/**
 * Makes canonical forms without holding up the event loop: 32 MB of hostile JSON take 3 s. What is large or encoded goes
 * to one thread, one body after another; it starts with the first of them, and again when it has died. Where it cannot
 * help, the form is made in the loop, for the call must go on.
 */
export class CanonicalBodies {
  readonly #options: CanonicalBodiesOptions
  readonly #waiting: Job[] = []
  #current: Job | undefined
  #worker: Worker | undefined
  #closed = false

  constructor(options: CanonicalBodiesOptions) {
    this.#options = options
  }

  /** The canonical form of a body; a promise where the thread makes it, which rejects only when this is closed. */
  of(input: BodyInput): CanonicalBody | Promise<CanonicalBody> {
    if (!isDear(input) || this.#closed || this.#waiting.length >= maxWaiting) return canonicalBody(input)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject })
      this.#next()
    })
  }

  /** Ends the thread; what it has not made yet is not made. */
  async close(): Promise<void> {
    this.#closed = true
    const closing = new Error('the gateway is closing')
    this.#takeCurrent()?.reject(closing)
    for (const { reject } of this.#waiting.splice(0)) reject(closing)
    await this.#worker?.terminate()
  }

  #next(): void {
    if (this.#current !== undefined) return
    this.#current = this.#waiting.shift()
    // An idle thread keeps no process alive.
    if (this.#current === undefined) return this.#worker?.unref()
    try {
      this.#worker ??= this.#start()
      this.#worker.ref()
      // A copy: the body itself still goes upstream.
      const body = new Uint8Array(this.#current.input.body)
      this.#worker.postMessage({ ...this.#current.input, body }, [body.buffer])
    } catch (error) {
      this.#died(String(error))
    }
  }

  #start(): Worker {
    const program = this.#options.program ?? new URL('./canonical-worker.js', import.meta.url)
    const worker = new Worker(program, { name: 'canonical', execArgv: [], env: {} })
    worker.on('message', (body: CanonicalBody) => {
      this.#takeCurrent()?.resolve(body)
      this.#next()
    })
    let reason = 'it ended'
    worker.on('error', error => {
      reason = String(error)
    })
    worker.once('exit', () => this.#died(reason))
    return worker
  }

  /** What it was at is made in the loop; the next body starts another thread. */
  #died(reason: string): void {
    this.#worker = undefined
    if (this.#closed) return
    this.#options.log(`the thread for canonical forms died: ${reason}`)
    const job = this.#takeCurrent()
    if (job !== undefined) makeHere(job)
    this.#next()
  }

  #takeCurrent(): Job | undefined {
    const job = this.#current
    this.#current = undefined
    return job
  }
}

function isDear({ mediaType, contentEncoding, body }: BodyInput): boolean {
  if (codingsOf(contentEncoding).length > 0) return true
  return body.byteLength > maxLoopBytes && bodyForm(mediaType) !== 'bytes'
}

function makeHere({ input, resolve, reject }: Job): void {
  try {
    resolve(canonicalBody(input))
  } catch (error) {
    reject(error)
  }
}
