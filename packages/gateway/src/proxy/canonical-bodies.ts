import { Worker } from 'node:worker_threads'
import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import {
  type BodyInput,
  bodyForm,
  type CanonicalBody,
  canonicalBody,
} from 'retrysafe/internal/fingerprint/canonical-body'
import { codingsOf, decodeContent } from 'retrysafe/internal/fingerprint/content-coding'

/** Up to here a hostile body takes the event loop 5 ms, an ordinary one under 1 ms: no more than the way to a thread. */
const maxLoopBytes = 131_072
/** Bodies that wait for the thread, and their bytes: they may stay longer than their calls. */
const maxWaiting = 1_000
const maxWaitingBytes = 536_870_912

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
 * Makes canonical forms without holding up the event loop: 32 MB of hostile JSON take 3 s. What is large, also once it is
 * decoded, goes to one thread, one body after another; it starts with the first of them, and again when it has died.
 * Where it cannot help, the form is made in the loop, for the call must go on; but where too much waits for it, there is
 * none: 1,000 zip bombs of 400 bytes are 50 minutes for the thread, and each one more would be 3 s for the loop.
 */
export class CanonicalBodies {
  readonly #options: CanonicalBodiesOptions
  readonly #waiting = new Set<Job>()
  #waitingBytes = 0
  #current: Job | undefined
  #worker: Worker | undefined
  #closed = false

  constructor(options: CanonicalBodiesOptions) {
    this.#options = options
  }

  /**
   * The canonical form of a body; a promise where the thread makes it. That rejects when `signal` fires while it waits,
   * when this is closed, and with `OVERLOADED` when too much waits already.
   */
  of(input: BodyInput, signal?: AbortSignal): CanonicalBody | Promise<CanonicalBody> {
    const made = makeCheaply(input)
    if (made !== undefined) return made
    if (this.#closed) return canonicalBody(input)
    return new Promise((resolve, reject) => {
      const job = { input, resolve, reject }
      if (this.#isFull(input)) return reject(overloaded())
      if (signal?.aborted) return reject(signal.reason)
      this.#waiting.add(job)
      this.#waitingBytes += input.body.byteLength
      signal?.addEventListener('abort', () => this.#withdraw(job)?.reject(signal.reason), { once: true })
      this.#next()
    })
  }

  #isFull({ body }: BodyInput): boolean {
    const { size } = this.#waiting
    return size >= maxWaiting || (size > 0 && this.#waitingBytes + body.byteLength > maxWaitingBytes)
  }

  /** The job, if it was still waiting. */
  #withdraw(job: Job): Job | undefined {
    if (!this.#waiting.delete(job)) return undefined
    this.#waitingBytes -= job.input.body.byteLength
    return job
  }

  /** Ends the thread; what it has not made yet is not made. */
  async close(): Promise<void> {
    this.#closed = true
    const closing = new Error('the gateway is closing')
    this.#takeCurrent()?.reject(closing)
    for (const job of this.#waiting) this.#withdraw(job)?.reject(closing)
    await this.#worker?.terminate()
  }

  #next(): void {
    if (this.#current !== undefined) return
    for (const first of this.#waiting) {
      this.#current = this.#withdraw(first)
      break
    }
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

/** The form of what is small, or counts by its bytes; `undefined` for all else. */
function makeCheaply(input: BodyInput): CanonicalBody | undefined {
  const { mediaType, contentEncoding, body } = input
  const isSmall = body.byteLength <= maxLoopBytes
  const codings = codingsOf(contentEncoding)
  if (codings.length === 0) return isSmall || bodyForm(mediaType) === 'bytes' ? canonicalBody(input) : undefined
  if (!isSmall) return undefined
  const decoding = decodeContent(codings, body, maxLoopBytes)
  return decoding.kind === 'decoded'
    ? canonicalBody({ ...input, contentEncoding: '', body: decoding.bytes })
    : undefined
}

function overloaded(): RetrysafeError {
  return new RetrysafeError('OVERLOADED', 'too many large or encoded bodies wait to be compared; come again')
}

function makeHere({ input, resolve, reject }: Job): void {
  try {
    resolve(canonicalBody(input))
  } catch (error) {
    reject(error)
  }
}
