import type { Clock, Timers } from '../../packages/retrysafe/src/engine/clock.ts'

/** Where every simulation begins, in ms since the epoch: 2024-01-01T00:00:00Z. */
const startWallMs = 1_704_067_200_000

/** Kept from before the trap: the scheduler itself is the one who may. */
const nextTick = process.nextTick.bind(process)
const resolved = Promise.resolve()

/** What sums of fractions may be wrong by. */
export const clockErrorMs = 0.01

/** More than any plan comes to: somebody goes round in circles. */
const maxEvents = 200_000

/** Something that will happen. */
export interface Due {
  atMs: number
  order: number
  readonly host: Host | undefined
  run: (() => void) | undefined
  /** A timer's time on its host's monotonic clock: one that stood still has not reached it. */
  readonly monotonicMs: number | undefined
}

/**
 * A machine: its clocks, and whether it runs. What is due on a paused host is held and comes in its order when the
 * host goes on; what is due on a dead one never comes.
 */
export class Host {
  readonly name: string
  readonly #time: VirtualTime
  state: 'up' | 'paused' | 'dead' = 'up'
  held: Due[] = []
  wallOffsetMs: number
  monotonicOffsetMs = 0

  constructor(time: VirtualTime, name: string, wallOffsetMs = 0) {
    this.#time = time
    this.name = name
    this.wallOffsetMs = wallOffsetMs
  }

  readonly clock: Clock = {
    wallMs: () => startWallMs + this.#time.nowMs + this.wallOffsetMs,
    monotonicMs: () => this.#time.nowMs + this.monotonicOffsetMs,
  }

  readonly timers: Timers = {
    after: (delayMs, run) => {
      const waitMs = Math.max(0, delayMs)
      const due = this.#time.at(this.#time.nowMs + waitMs, this, run, this.clock.monotonicMs() + waitMs)
      return {
        cancel: () => {
          due.run = undefined
        },
      }
    },
  }

  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'up'
    const held = this.held
    this.held = []
    const { nowMs } = this.#time
    for (const due of held) this.#time.move(due, nowMs)
  }

  kill(): void {
    this.state = 'dead'
    this.held = []
  }
}

/** Time that jumps from one event to the next; between two of them everything that can run has run. */
export class VirtualTime {
  nowMs = 0
  /** Events that happened. */
  happened = 0
  #order = 0
  readonly #heap: Due[] = []

  /** `host` undefined: it happens whoever is alive. */
  at(atMs: number, host: Host | undefined, run: () => void, monotonicMs?: number): Due {
    const due: Due = { atMs, order: this.#order++, host, run, monotonicMs }
    this.#push(due)
    return due
  }

  /** Something that was due comes later; whoever holds it can still cancel it. */
  move(due: Due, atMs: number): void {
    due.atMs = atMs
    due.order = this.#order++
    this.#push(due)
  }

  /** Lets everything happen that is due up to `endMs`. */
  async runUntil(endMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const turn = (): void => {
        try {
          if (!this.#happenOnce(endMs)) {
            this.nowMs = Math.max(this.nowMs, endMs)
            resolve()
            return
          }
          void resolved.then(afterMicrotasks)
        } catch (error) {
          reject(error)
        }
      }
      // A tick asked for by a microtask comes when no microtask is left: cheaper than a turn of the event loop.
      const afterMicrotasks = (): void => nextTick(turn)
      nextTick(turn)
    })
  }

  #happenOnce(endMs: number): boolean {
    for (;;) {
      const due = this.#heap[0]
      if (due === undefined || due.atMs > endMs) return false
      this.#pop()
      const { host, run } = due
      if (run === undefined || host?.state === 'dead') continue
      if (host?.state === 'paused') {
        host.held.push(due)
        continue
      }
      if (due.atMs > this.nowMs) this.nowMs = due.atMs
      const earlyMs = (due.monotonicMs ?? 0) - (host?.clock.monotonicMs() ?? 0)
      if (due.monotonicMs !== undefined && earlyMs > clockErrorMs) {
        this.move(due, this.nowMs + earlyMs)
        continue
      }
      if (++this.happened > maxEvents) throw new NoRest(`${maxEvents} events, and no end`)
      run()
      return true
    }
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(due)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Due
      if (!isBefore(due, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Due
    const length = heap.length
    if (length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      if (child + 1 < length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child++
      if (!isBefore(heap[child] as Due, last)) break
      heap[at] = heap[child] as Due
      at = child
    }
    heap[at] = last
  }
}

/** Whoever is simulated never comes to rest. */
export class NoRest extends Error {}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
