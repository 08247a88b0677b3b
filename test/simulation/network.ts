import { Dice } from './dice.ts'
import { type FaultRates, noFaults } from './plan.ts'
import type { Host } from './virtual-time.ts'
import type { World } from './world.ts'

/** One process's connection to the store. */
export interface Link {
  readonly host: Host
  /** Which executor it belongs to, however often that was restarted; -1 for the operator. */
  readonly executor: number
  readonly number: number
  /** Messages of each kind so far: part of a message's identity. */
  readonly counters: Map<number, number>
  sent: number
  newest: number
}

export interface Message {
  readonly name: string
  readonly step: number
  readonly key: number
}

/** What becomes of one exchange; all of it is decided when it is sent. */
interface Fate {
  readonly lost: boolean
  readonly afterMs: number
  readonly twiceAfterMs: number | undefined
  readonly replyLost: boolean
  readonly replyAfterMs: number
  readonly replyTwice: boolean
  readonly refusedAfterMs: number | undefined
}

/** Between executors and the store: every request, reply and hint is a message that can be lost, late or doubled. */
export class Network {
  /** Messages that arrived. */
  deliveries = 0
  /** From then on everything arrives, and at once. */
  #healedAtMs = Number.POSITIVE_INFINITY
  readonly #world: World
  readonly #dice = new Dice()
  readonly #outages = new Map<number, number>()
  #faults: FaultRates

  constructor(world: World) {
    this.#world = world
    this.#faults = world.plan.faults
  }

  get nowMs(): number {
    return this.#world.time.nowMs
  }

  /** Nothing goes wrong any more, and what is still on its way arrives within a second. */
  heal(): void {
    this.#faults = noFaults
    this.#outages.clear()
  }

  /** The time of healing is known before, so that nothing arrives long after it. */
  willHealAt(atMs: number): void {
    this.#healedAtMs = atMs
  }

  outage(executor: number | 'all', forMs: number): void {
    const { time, coverage } = this.#world
    const number = executor === 'all' ? -2 : executor
    this.#outages.set(number, Math.max(time.nowMs + forMs, this.#outages.get(number) ?? 0))
    coverage.hit('fault: outage')
  }

  #isOut(link: Link): boolean {
    if (this.#outages.size === 0) return false
    const { nowMs } = this.#world.time
    return (this.#outages.get(-2) ?? 0) > nowMs || (this.#outages.get(link.executor) ?? 0) > nowMs
  }

  /** Asks the store. Rejects with `STORE_UNAVAILABLE` when no reply comes in time. */
  exchange<Answer>(link: Link, message: Message, apply: (again: boolean) => Promise<Answer>): Promise<Answer> {
    const { time, plan } = this.#world
    const sentAtMs = time.nowMs
    const fate = this.#drawFate(link, message)
    const order = link.sent++
    return new Promise((resolve, reject) => {
      const fail = (afterMs: number): void => {
        time.at(Math.max(time.nowMs, sentAtMs + afterMs), link.host, () => reject(this.#unavailable(message)))
      }
      const timeOut = (): void => fail(plan.storeTimeoutMs)
      if (this.#isOut(link)) return fail(fate.refusedAfterMs ?? plan.storeTimeoutMs)
      if (fate.lost) return timeOut()
      let arrivals = 0
      const arrive = (isLast: boolean): void => {
        if (this.#isOut(link)) {
          if (isLast && arrivals === 0) timeOut()
          return
        }
        const again = arrivals++ > 0
        this.#arrived(link, order, message, again)
        apply(again).then(
          answer => {
            if (!again) this.#reply(link, message, fate, sentAtMs, () => resolve(answer), timeOut)
          },
          error => {
            if (!again) this.#reply(link, message, fate, sentAtMs, () => reject(error), timeOut)
          },
        )
      }
      const { afterMs, twiceAfterMs } = fate
      time.at(this.#arrivalMs(afterMs), undefined, () => arrive(twiceAfterMs === undefined || twiceAfterMs < afterMs))
      if (twiceAfterMs !== undefined) {
        time.at(this.#arrivalMs(twiceAfterMs), undefined, () => arrive(twiceAfterMs >= afterMs))
      }
    })
  }

  #reply(link: Link, message: Message, fate: Fate, sentAtMs: number, tell: () => void, timeOut: () => void): void {
    const { time, plan, trace, coverage } = this.#world
    if (fate.replyLost || this.#isOut(link)) return timeOut()
    const atMs = this.#arrivalMs(fate.replyAfterMs)
    const deadlineMs = sentAtMs + plan.storeTimeoutMs
    // Too late: the caller has given up before it comes.
    if (atMs > deadlineMs) timeOut()
    const deliver = (): void => {
      this.deliveries++
      trace.note(time.nowMs, 2_000 + message.step, link.number, () => `${link.host.name} ← ${words(message)}`)
      tell()
    }
    time.at(atMs, link.host, deliver)
    if (!fate.replyTwice) return
    coverage.hit('fault: reply twice')
    time.at(atMs + 1, link.host, deliver)
  }

  /** A hint on its way from the store. */
  hint(link: Link, key: number, tell: () => void): void {
    const { time, coverage, trace } = this.#world
    const faults = this.#faults
    this.#begin(link, { name: 'hint', step: 31, key })
    const dice = this.#dice
    const lost = dice.chance(faults.hintLost)
    const late = dice.chance(faults.hintLate)
    const twice = dice.chance(faults.hintTwice)
    const afterMs = late ? dice.between(500, this.#world.plan.lateMs) : dice.between(0.1, 3)
    if (lost) coverage.hit('fault: hint lost')
    if (lost || this.#isOut(link)) return
    if (late) coverage.hit('fault: hint late')
    const deliver = (): void => {
      this.deliveries++
      trace.note(time.nowMs, 3_000, link.number, () => `${link.host.name} ← hint of k${key}`)
      tell()
    }
    time.at(this.#arrivalMs(afterMs), link.host, deliver)
    if (!twice) return
    coverage.hit('fault: hint twice')
    time.at(this.#arrivalMs(afterMs + 1), link.host, deliver)
  }

  #drawFate(link: Link, message: Message): Fate {
    const faults = this.#faults
    const { coverage, plan } = this.#world
    this.#begin(link, message)
    const dice = this.#dice
    const lost = dice.chance(faults.requestLost)
    const late = dice.chance(faults.requestLate)
    const twice = dice.chance(faults.requestTwice)
    const replyLost = dice.chance(faults.replyLost)
    const replyLate = dice.chance(faults.replyLate)
    if (lost) coverage.hit('fault: request lost')
    if (late) coverage.hit('fault: request late')
    if (twice) coverage.hit('fault: request twice')
    if (replyLost) coverage.hit('fault: reply lost')
    if (replyLate) coverage.hit('fault: reply late')
    return {
      lost,
      afterMs: this.#wayMs(late),
      twiceAfterMs: twice ? dice.between(0.1, dice.chance(0.5) ? 20 : plan.lateMs) : undefined,
      replyLost,
      replyAfterMs: this.#wayMs(replyLate),
      replyTwice: dice.chance(faults.replyTwice),
      refusedAfterMs: dice.chance(0.5) ? dice.between(0.2, 5) : undefined,
    }
  }

  #wayMs(late: boolean): number {
    const dice = this.#dice
    if (late) return dice.between(50, this.#world.plan.lateMs)
    return dice.chance(this.#faults.slow) ? dice.between(5, 400) : dice.between(0.1, 3)
  }

  #arrivalMs(afterMs: number): number {
    const { nowMs } = this.#world.time
    return Math.max(nowMs, Math.min(nowMs + afterMs, Math.max(nowMs + 3, this.#healedAtMs + 1_000)))
  }

  #begin(link: Link, { step, key }: Message): void {
    const kind = step * 16 + key + 1
    const count = link.counters.get(kind) ?? 0
    link.counters.set(kind, count + 1)
    this.#dice.seed(this.#world.plan.seed, link.number, kind, count)
  }

  #arrived(link: Link, order: number, message: Message, again: boolean): void {
    const { time, trace, coverage } = this.#world
    this.deliveries++
    if (order < link.newest) coverage.hit('fault: reordered')
    else link.newest = order
    const code = 1_000 + message.step + (again ? 500 : 0)
    trace.note(time.nowMs, code, link.number * 16 + message.key, () => {
      return `${link.host.name} → ${words(message)}${again ? ' (delivered again)' : ''}`
    })
  }

  #unavailable({ name }: Message): Error {
    return new this.#world.code.RetrysafeError('STORE_UNAVAILABLE', `${name}: no reply in time (simulated)`)
  }
}

function words({ name, key }: Message): string {
  return key < 0 ? name : `${name} k${key}`
}
