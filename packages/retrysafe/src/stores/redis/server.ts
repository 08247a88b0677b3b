import { createHash } from 'node:crypto'
import { pause, type Surroundings, within } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { scripts } from './embedded-lua.ts'
import type { RedisArgument, RedisLink } from './link.ts'
import { codeOf, isPassing, showsOutage, silent, storeError } from './store-error.ts'

export type ScriptName = keyof typeof scripts

interface Script {
  readonly text: string
  readonly sha1: string
}

export interface ServerTerms {
  readonly timeoutMs: number
  readonly surroundings: Surroundings
  /** Looks at the servers before the first step. */
  readonly check: (link: RedisLink) => Promise<void>
}

const firstPauseMs = 10
const lastPauseMs = 250
/** Whoever hears nothing from the server for so long is not just about to connect again. */
const outageMs = 500

/**
 * Runs the scripts, one command a step. A step that could not be sent, or whose answer was lost, is sent again until its
 * time is over: each equals once however often it arrives.
 */
export class Server {
  readonly #link: RedisLink
  readonly #terms: ServerTerms
  readonly #scripts: ReadonlyMap<ScriptName, Script>
  #started: Promise<void> | undefined
  #isStarted = false
  #isClosed = false
  #outageAtMs: number | undefined
  #renewedAtMs = Number.NEGATIVE_INFINITY
  /** What the client said last of its connections, since an answer came. */
  #trouble: Error | undefined

  /** @param openLink makes the way to the server, and is told whom to tell of its troubles */
  constructor(openLink: (troubled: (error: Error) => void) => RedisLink, terms: ServerTerms) {
    this.#terms = terms
    this.#link = openLink(error => {
      this.#trouble = error
      this.#look(error)
    })
    const entries = Object.entries(scripts) as [ScriptName, string][]
    this.#scripts = new Map(entries.map(([name, text]) => [name, { text, sha1: sha1Of(text) }]))
  }

  get link(): RedisLink {
    return this.#link
  }

  /** How long ago this process last saw the server gone or refusing, in ms; -1: never. */
  get calmMs(): number {
    if (this.#outageAtMs === undefined) return -1
    return Math.floor(this.#terms.surroundings.clock.monotonicMs() - this.#outageAtMs)
  }

  /**
   * Makes one step, which must be safe to make twice.
   *
   * @param keys all of one slot
   * @param args or what they are whenever it is sent: what has been seen meanwhile belongs to them
   * @throws {RetrysafeError} `STORE_UNAVAILABLE`, `STORE_FULL`, `STORE_INCOMPATIBLE`, `CONFIG_INVALID`
   */
  async run(
    name: ScriptName,
    keys: readonly string[],
    args: readonly RedisArgument[] | (() => readonly RedisArgument[]),
  ): Promise<unknown> {
    const key = keys[0] ?? ''
    const script = this.#scripts.get(name) as Script
    return this.insist(async () => {
      const tail = [String(keys.length), ...keys, ...(typeof args === 'function' ? args() : args)]
      try {
        return await this.#link.send(key, ['EVALSHA', script.sha1, ...tail])
      } catch (error) {
        if (codeOf(error) !== 'NOSCRIPT') throw error
        return this.#link.send(key, ['EVAL', script.text, ...tail])
      }
    })
  }

  /** Does `work` until it succeeds, its error is one that stays, or the time is over. */
  async insist<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const { clock, timers, random } = this.#terms.surroundings
    const beganAtMs = clock.monotonicMs()
    const leftMs = (): number => beganAtMs + this.#terms.timeoutMs - clock.monotonicMs()
    let isHeard = false
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, lastPauseMs)) {
      try {
        this.#mustBeOpen()
        return await this.#inTime(this.#isStarted ? work() : this.#start().then(work), leftMs())
      } catch (error) {
        this.#look(error)
        isHeard ||= codeOf(error) !== ''
        const isOver = leftMs() <= pauseMs
        if (!isHeard && (isOver || clock.monotonicMs() - beganAtMs >= outageMs)) this.#noteOutage()
        if (codeOf(error) === 'READONLY' || (isOver && !isHeard)) this.#renewLink(beganAtMs)
        if (isOver || this.#isClosed || !isPassing(error)) throw storeError(error)
      }
      await pause(timers, pauseMs * (0.5 + random.unit() / 2))
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#link.close()
  }

  /** Loads every script everywhere; who has not the right to, or is too early, sends them one by one. */
  async #loadScripts(): Promise<void> {
    for (const node of await this.#link.primaries()) {
      const loads = [...this.#scripts.values()].map(({ text }) => node.send(['SCRIPT', 'LOAD', text]))
      await Promise.all(loads).catch(() => {})
    }
  }

  #start(): Promise<void> {
    this.#mustBeOpen()
    this.#started ??= this.#startOnce().then(
      () => {
        this.#isStarted = true
      },
      error => {
        this.#started = undefined
        throw error
      },
    )
    return this.#started
  }

  async #startOnce(): Promise<void> {
    const { timeoutMs } = this.#terms
    await this.#link.connect(timeoutMs)
    await this.#inTime(this.#terms.check(this.#link), timeoutMs)
    await this.#inTime(this.#loadScripts(), timeoutMs)
  }

  async #inTime<Answer>(work: Promise<Answer>, maxMs: number): Promise<Answer> {
    const { timers } = this.#terms.surroundings
    const answered = await within(
      work.then(answer => ({ answer })),
      timers,
      Math.max(1, maxMs),
    )
    if (answered !== undefined) {
      this.#trouble = undefined
      return answered.answer
    }
    throw this.#trouble ?? silent(this.#terms.timeoutMs)
  }

  /** Whoever is at the other end said nothing in all of a step's time, or takes no writes: once for all that see it. */
  #renewLink(sinceMs: number): void {
    if (this.#isClosed || this.#renewedAtMs > sinceMs) return
    this.#renewedAtMs = this.#terms.surroundings.clock.monotonicMs()
    this.#link.reset()
  }

  #look(error: unknown): void {
    if (showsOutage(error)) this.#noteOutage()
  }

  #noteOutage(): void {
    this.#outageAtMs = this.#terms.surroundings.clock.monotonicMs()
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new RetrysafeError('STORE_UNAVAILABLE', 'the Redis store is closed: open a new one')
  }
}

function sha1Of(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
