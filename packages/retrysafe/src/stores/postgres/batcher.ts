import { RetrysafeError } from '../../engine/errors.ts'

/** How calls of one kind are sent. */
export interface BatchTerms<Request, Answer> {
  one(request: Request): Promise<Answer>
  /** Answers in the order of the requests. */
  many(requests: readonly Request[]): Promise<Answer[]>
  /** No two requests of one name go in one batch. */
  nameOf(request: Request): string
  bytesOf(request: Request): number
  /** How long a call waits for its turn at most, ms: one that fell silent must not keep all that come after it. */
  readonly patienceMs: number
  monotonicMs(): number
}

/** Below this several single statements, on as many connections, are as fast. */
const fewest = 4
const mostRequests = 200
const mostBytes = 4_194_304
/** While one batch is being flushed to disk, the server works on the next, and this process makes the one after it. */
const concurrency = 3
/** What waits is spread over the batches that may go, but not more thinly than this. */
const fewestToSpread = 32

interface Waiting<Request, Answer> {
  readonly request: Request
  readonly sinceMs: number
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * Gathers calls: those that arrive while others are on their way, or in the same turn of the event loop, go together.
 * Nobody waits for company: a call that comes alone is sent at once.
 */
export class Batcher<Request, Answer> {
  readonly #terms: BatchTerms<Request, Answer>
  #waiting: Waiting<Request, Answer>[] = []
  #inFlight = 0
  #isDue = false

  constructor(terms: BatchTerms<Request, Answer>) {
    this.#terms = terms
  }

  add(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, sinceMs: this.#terms.monotonicMs(), resolve, reject })
      this.#sendSoon()
    })
  }

  #sendSoon(): void {
    if (this.#isDue || this.#waiting.length === 0 || this.#inFlight >= concurrency) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.#rejectLate()
      while (this.#waiting.length > 0 && this.#inFlight < concurrency) this.#send(this.#draw(this.#share()))
    })
  }

  #rejectLate(): void {
    const { patienceMs, monotonicMs } = this.#terms
    const latestMs = monotonicMs() - patienceMs
    const late = this.#waiting.findIndex(({ sinceMs }) => sinceMs > latestMs)
    const what = `PostgreSQL is too slow, or out of reach: not one statement could be sent within ${patienceMs} ms`
    for (const { reject } of this.#waiting.splice(0, late === -1 ? this.#waiting.length : late)) {
      reject(new RetrysafeError('STORE_UNAVAILABLE', what))
    }
  }

  /** How many go in the next batch, at most. */
  #share(): number {
    const share = Math.ceil(this.#waiting.length / (concurrency - this.#inFlight))
    return Math.min(mostRequests, Math.max(fewestToSpread, share))
  }

  /** What goes next, in the order in which it came. */
  #draw(most: number): Waiting<Request, Answer>[] {
    const { nameOf, bytesOf } = this.#terms
    const names = new Set<string>()
    const drawn: Waiting<Request, Answer>[] = []
    const left: Waiting<Request, Answer>[] = []
    let bytes = 0
    for (const waiting of this.#waiting) {
      const name = nameOf(waiting.request)
      const size = bytesOf(waiting.request)
      const fits = drawn.length === 0 || (drawn.length < most && bytes + size <= mostBytes)
      if (!fits || names.has(name)) {
        left.push(waiting)
        continue
      }
      names.add(name)
      bytes += size
      drawn.push(waiting)
    }
    this.#waiting = left
    return drawn
  }

  #send(batch: readonly Waiting<Request, Answer>[]): void {
    this.#inFlight++
    const sent = batch.length < fewest ? this.#sendEach(batch) : this.#sendTogether(batch)
    void sent.then(() => {
      this.#inFlight--
      this.#sendSoon()
    })
  }

  async #sendEach(batch: readonly Waiting<Request, Answer>[]): Promise<void> {
    // Async: one that cannot even be put into a statement fails alone.
    const send = async (request: Request): Promise<Answer> => this.#terms.one(request)
    await Promise.all(batch.map(({ request, resolve, reject }) => send(request).then(resolve, reject)))
  }

  async #sendTogether(batch: readonly Waiting<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#terms.many(batch.map(({ request }) => request))
      batch.forEach(({ resolve, reject }, at) => {
        const answer = answers[at]
        if (answer === undefined) reject(new Error('a batch gave too few answers'))
        else resolve(answer)
      })
    } catch (error) {
      // One of them is to blame, and none was made; or one could not be put into a statement.
      if (!(error instanceof RetrysafeError) || error.code === 'REQUEST_INVALID') return this.#sendEach(batch)
      // Each is safe to send again; whether it was made, nobody knows.
      for (const { reject } of batch) reject(error)
    }
  }
}
