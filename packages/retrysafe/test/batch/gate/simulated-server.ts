import { Host, VirtualTime } from '../../../../../test/simulation/virtual-time.ts'
import { type Gate, type GateRules, openGate, type Pass } from '../../../src/batch/gate/gate.ts'
import type { Random, Surroundings } from '../../../src/engine/clock.ts'
import { seededRandom } from '../../support/manual-time.ts'

/** What a simulated server says to one request, `afterMs` from when it came. */
export type Reply =
  | { readonly kind: 'answered'; readonly afterMs: number }
  | { readonly kind: 'throttled'; readonly afterMs: number; readonly retryAfterMs?: number }
  | { readonly kind: 'unreachable'; readonly afterMs: number }

/** A server in virtual time: told how many it serves, and when. */
export interface SimulatedServer {
  /**
   * @param active requests that it has not replied to yet, without this one
   * @param isFirst whether it is the first of its item
   */
  reply(nowMs: number, active: number, isFirst: boolean): Reply
}

/** Serves whatever comes. */
export function serving(serviceMs: (random: Random) => number): SimulatedServer {
  const random = seededRandom(1)
  return { reply: () => ({ kind: 'answered', afterMs: serviceMs(random) }) }
}

/** Serves so many at once and refuses the others. */
export function refusing(
  capacity: (nowMs: number) => number,
  serviceMs: (random: Random) => number,
  retryAfterMs?: number,
): SimulatedServer {
  const random = seededRandom(1)
  let served: number[] = []
  return {
    reply(nowMs) {
      served = served.filter(endMs => endMs > nowMs)
      if (served.length >= capacity(nowMs)) {
        return { kind: 'throttled', afterMs: 20, ...(retryAfterMs !== undefined && { retryAfterMs }) }
      }
      const afterMs = serviceMs(random)
      served.push(nowMs + afterMs)
      return { kind: 'answered', afterMs }
    },
  }
}

/** Serves so many at once and lets the others wait in the order of their coming. */
export function queueing(capacity: (nowMs: number) => number, serviceMs: (random: Random) => number): SimulatedServer {
  const random = seededRandom(1)
  let ends: number[] = []
  return {
    reply(nowMs) {
      ends = ends.filter(endMs => endMs > nowMs).sort((one, other) => one - other)
      const places = capacity(nowMs)
      const freeMs = ends.length < places ? nowMs : (ends[ends.length - places] ?? nowMs)
      const afterMs = freeMs + serviceMs(random) - nowMs
      ends.push(nowMs + afterMs)
      return { kind: 'answered', afterMs }
    },
  }
}

/** Refuses what comes more often than `perSecond`, beyond a burst; serves all else. */
export function rated(
  perSecond: number,
  burst: number,
  serviceMs: (random: Random) => number,
  retryAfterMs?: number,
): SimulatedServer {
  const random = seededRandom(1)
  let level = burst
  let atMs = 0
  return {
    reply(nowMs) {
      level = Math.min(burst, level + ((nowMs - atMs) / 1_000) * perSecond)
      atMs = nowMs
      if (level < 1) return { kind: 'throttled', afterMs: 20, ...(retryAfterMs !== undefined && { retryAfterMs }) }
      level--
      return { kind: 'answered', afterMs: serviceMs(random) }
    },
  }
}

/** A batch without end over a simulated server: as many items as a window holds, each tried until it is answered. */
export class SimulatedBatch {
  readonly time: VirtualTime = new VirtualTime()
  readonly gate: Gate
  readonly #server: SimulatedServer
  readonly #surroundings: Surroundings
  readonly #over: AbortController = new AbortController()
  /** When each item was answered. */
  readonly answeredMs: number[] = []
  /** When each request was sent. */
  readonly sentMs: number[] = []
  readonly limits: { readonly atMs: number; readonly limit: number }[] = []
  throttles = 0
  stalled = 0
  #active = 0

  constructor(server: SimulatedServer, rules: Partial<GateRules> & { concurrency: number }, seed = 1) {
    const { clock, timers } = new Host(this.time, 'runner')
    this.#surroundings = { clock, timers, random: seededRandom(seed) }
    this.#server = server
    const onChange = (gate: Gate): void => void this.limits.push({ atMs: this.time.nowMs, limit: gate.limit })
    const all = { adaptive: true, giveUpMs: 600_000, firstAnswerMs: 30_000, onChange, ...rules }
    this.gate = openGate(all, this.#surroundings)
    const window = 2 * rules.concurrency + 16
    for (let place = 0; place < window; place++) void this.#work()
  }

  run(untilMs: number): Promise<void> {
    return this.time.runUntil(untilMs)
  }

  /** Answers a second between two times. */
  rate(fromMs: number, toMs: number): number {
    return this.answeredMs.filter(atMs => atMs >= fromMs && atMs < toMs).length / ((toMs - fromMs) / 1_000)
  }

  /** The mean limit between two times. */
  meanLimit(fromMs: number, toMs: number, first: number): number {
    let sum = 0
    let limit = first
    let sinceMs = fromMs
    for (const change of this.limits) {
      if (change.atMs > fromMs && change.atMs < toMs) {
        sum += limit * (change.atMs - sinceMs)
        sinceMs = change.atMs
      }
      if (change.atMs < toMs) limit = change.limit
    }
    return (sum + limit * (toMs - sinceMs)) / (toMs - fromMs)
  }

  stop(): void {
    this.#over.abort()
  }

  async #work(): Promise<void> {
    for (let tries = 0; ; ) {
      const pass = await this.gate.enter(this.#over.signal, 0, tries)
      if (pass === 'stalled') this.stalled++
      if (pass === 'stalled' || pass === undefined) return
      tries = (await this.#try(pass, tries === 0)) ? 0 : tries + 1
    }
  }

  /** @returns whether it was answered */
  #try(pass: Pass, isFirst: boolean): Promise<boolean> {
    const { timers, random } = this.#surroundings
    const reply = this.#server.reply(this.time.nowMs, this.#active++, isFirst)
    this.sentMs.push(this.time.nowMs)
    return new Promise(resolve => {
      timers.after(reply.afterMs, () => {
        this.#active--
        if (reply.kind === 'answered') {
          this.answeredMs.push(this.time.nowMs)
          pass.leave({ kind: 'answered' })
          return resolve(true)
        }
        const trouble = reply.kind
        if (reply.kind === 'throttled') {
          this.throttles++
          pass.leave({ kind: 'throttled', retryAfterMs: reply.retryAfterMs, trouble })
        } else pass.leave({ kind: 'unreachable', trouble })
        timers.after(random.unit() * 500, () => resolve(false))
      })
    })
  }
}
