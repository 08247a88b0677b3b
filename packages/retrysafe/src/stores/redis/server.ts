import { createHash } from 'node:crypto'
import { pause, type Surroundings, within } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'
import { scripts } from './embedded-lua.ts'
import type { RedisArgument, RedisLink } from './link.ts'
import { codeOf, isPassing, showsOutage, storeError } from './store-error.ts'

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

  /** @param openLink makes the way to the server, and is told whom to tell of its troubles */
  constructor(openLink: (troubled: (error: Error) => void) => RedisLink, terms: ServerTerms) {
    this.#terms = terms
    this.#link = openLink(error => this.#look(error))
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
   * @throws {RetrysafeError} `STORE_UNAVAILABLE`, `STORE_FULL`, `STORE_INCOMPATIBLE`, `CONFIG_INVALID`
   */
  async run(name: ScriptName, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    const key = keys[0] ?? ''
    const script = this.#scripts.get(name) as Script
    const tail = [String(keys.length), ...keys, ...args]
    return this.insist(async () => {
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
    const untilMs = clock.monotonicMs() + this.#terms.timeoutMs
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, lastPauseMs)) {
      try {
        if (!this.#isStarted) await this.#start()
        this.#mustBeOpen()
        return await this.#inTime(work(), untilMs - clock.monotonicMs())
      } catch (error) {
        this.#look(error)
        const leftMs = untilMs - clock.monotonicMs()
        if (!isPassing(error) || leftMs <= pauseMs || this.#isClosed) throw storeError(error)
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
    await this.#link.connect(this.#terms.timeoutMs)
    await this.#inTime(this.#terms.check(this.#link), this.#terms.timeoutMs)
    await this.#inTime(this.#loadScripts(), this.#terms.timeoutMs)
  }

  async #inTime<Answer>(work: Promise<Answer>, maxMs: number): Promise<Answer> {
    const silence: unique symbol = Symbol()
    const answer = await within<Answer | typeof silence>(
      work.then(value => (value === undefined ? silence : value)),
      this.#terms.surroundings.timers,
      Math.max(1, maxMs),
    )
    if (answer === silence) return undefined as Answer
    if (answer !== undefined) return answer
    // Nothing came at all: whatever is at the other end, this connection may be dead.
    this.#outageAtMs = this.#terms.surroundings.clock.monotonicMs()
    this.#link.reset()
    throw new RetrysafeError('STORE_UNAVAILABLE', `Redis gave no answer within ${this.#terms.timeoutMs} ms`)
  }

  #look(error: unknown): void {
    if (showsOutage(error)) this.#outageAtMs = this.#terms.surroundings.clock.monotonicMs()
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new RetrysafeError('STORE_UNAVAILABLE', 'the Redis store is closed: open a new one')
  }
}

function sha1Of(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
