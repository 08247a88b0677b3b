import type { Clock } from '../../packages/retrysafe/src/engine/clock.ts'
import type { AttemptEnd } from '../../packages/retrysafe/src/engine/record.ts'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { memoryStore } from '../../packages/retrysafe/src/stores/memory/store.ts'
import { seededRandom } from '../../packages/retrysafe/test/support/manual-time.ts'
import type { Operation, StepCall, StepResult } from './operation.ts'
import { performStep } from './store-step.ts'

const key = 'k'

export interface RandomHistoryOptions {
  /** Of requests lost, and of replies lost; half as many arrive twice. */
  readonly faultRate: number
  /** The history says when requests without reply arrived, and leaves out those that never did. */
  readonly knowsDelivery: boolean
}

/** A history of one key on the in-memory store, with delays, losses and repetitions between callers and store. */
export async function randomHistory(seed: number, options: RandomHistoryOptions): Promise<Operation[]> {
  const world = new RandomWorld(seed, options)
  const callers = world.between(2, 6)
  for (let caller = 0; caller < callers; caller += 1) world.at(world.between(0, 5_000), () => world.nextCall(caller))
  await world.run()
  return world.history()
}

interface Holding {
  readonly fence: number
  readonly owner: string
}

class RandomWorld {
  readonly #operations: (Operation | undefined)[] = []
  readonly #unit: () => number
  readonly #store: Store
  #nowMs = 0
  #events: { atMs: number; run: () => Promise<void> | void }[] = []
  #callsLeft: number
  #owners = 0
  readonly #holdings = new Map<number, Holding>()
  #lastHeld: Holding = { fence: 1, owner: 'nobody' }
  readonly #options: RandomHistoryOptions
  readonly #terms: { leaseMs: number; retentionMs: number; onCrash: 'rerun' | 'fail'; maxAttempts: number }

  constructor(seed: number, options: RandomHistoryOptions) {
    this.#options = options
    this.#unit = seededRandom(seed).unit
    const clock: Clock = { wallMs: () => 1_704_067_200_000 + this.#nowMs, monotonicMs: () => this.#nowMs }
    this.#store = memoryStore({ clock })
    this.#callsLeft = this.between(10, 80)
    this.#terms = {
      leaseMs: this.#pick([1_000, 3_000, 10_000]),
      retentionMs: this.#pick([1_000, 8_000, 86_400_000]),
      onCrash: this.#pick(['rerun', 'fail']),
      maxAttempts: this.#pick([1, 2, 3]),
    }
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.#unit() * (high - low + 1))
  }

  at(atMs: number, run: () => Promise<void> | void): void {
    this.#events.push({ atMs, run })
  }

  async run(): Promise<void> {
    for (;;) {
      this.#events.sort((one, other) => one.atMs - other.atMs)
      const event = this.#events.shift()
      if (event === undefined) return
      this.#nowMs = event.atMs
      await event.run()
    }
  }

  history(): Operation[] {
    return this.#operations.filter(operation => operation !== undefined)
  }

  nextCall(caller: number): void {
    if (this.#callsLeft === 0) return
    this.#callsLeft -= 1
    const call = this.#chooseCall(caller)
    const [arrivesMs, returnsMs] = [this.#nowMs + this.#delayMs(), this.#delayMs()]
    const operation: Operation = { process: `p${caller}`, key, call, invokedAtMs: this.#nowMs }
    const place = this.#operations.push(this.#options.knowsDelivery ? undefined : operation) - 1
    if (this.#chance(this.#options.faultRate / 2)) this.#deliverAgain(operation)
    const [isLost, isReplyLost] = [this.#chance(this.#options.faultRate), this.#chance(this.#options.faultRate)]
    if (!isLost) {
      this.at(arrivesMs, async () => {
        const result = await performStep(this.#store, key, call)
        if (isReplyLost) {
          this.#arrived(place, operation)
          return
        }
        this.at(this.#nowMs + returnsMs, () => {
          this.#operations[place] = { ...operation, returnedAtMs: this.#nowMs, result }
          this.#learn(caller, call, result)
          this.#continue(caller)
        })
      })
    }
    if (isLost || isReplyLost) this.at(this.#nowMs + 2_000, () => this.#continue(caller))
  }

  #deliverAgain(operation: Operation): void {
    const place = this.#operations.push(this.#options.knowsDelivery ? undefined : operation) - 1
    this.at(this.#nowMs + this.between(0, 20_000), async () => {
      await performStep(this.#store, key, operation.call)
      this.#arrived(place, operation)
    })
  }

  #arrived(place: number, operation: Operation): void {
    if (this.#options.knowsDelivery) this.#operations[place] = { ...operation, returnedAtMs: this.#nowMs }
  }

  #continue(caller: number): void {
    this.at(this.#nowMs + this.#pick([0, 1, 50, 500, 5_000]), () => this.nextCall(caller))
  }

  #delayMs(): number {
    return this.#chance(0.05) ? this.between(0, 8_000) : this.between(0, 20)
  }

  #learn(caller: number, call: StepCall, result: StepResult): void {
    if (result.kind === 'acquired') {
      this.#lastHeld = { fence: result.fence, owner: result.owner }
      this.#holdings.set(caller, this.#lastHeld)
    }
    const isOver = call.step === 'complete' || call.step === 'release' || result.kind === 'lost'
    // Some zombies write on.
    if (isOver && this.#chance(0.8)) this.#holdings.delete(caller)
  }

  #chooseCall(caller: number): StepCall {
    if (this.#chance(0.08)) return this.#operatorCall()
    const held = this.#holdings.get(caller)
    if (held === undefined) return this.#claimCall()
    const { fence, owner } = held
    const { leaseMs } = this.#terms
    const dice = this.#unit()
    const canonical = this.#chance(0.3) ? { canonical: 'c1' } : {}
    if (dice < 0.35) return { step: 'renew', fence, owner, leaseMs, sent: this.#chance(0.5), ...canonical }
    if (dice < 0.45) return { step: 'append', fence, owner, ...canonical }
    if (dice < 0.7) return { step: 'complete', fence, owner, value: `value of ${owner}`, ...canonical }
    const end = this.#pick<AttemptEnd>(['free', 'failed', 'broken', 'cancelled'])
    return { step: 'release', fence, owner, end, cooldownMs: this.#pick([0, 0, 500]), ...canonical }
  }

  #claimCall(): StepCall {
    this.#owners += 1
    const raw = this.#chance(0.85) ? 'r1' : this.#pick(['r2', 'r3'])
    const canonical = raw === 'r3' ? 'c2' : 'c1'
    return {
      step: 'claim',
      owner: `o${this.#owners}`,
      raw,
      ...(this.#chance(0.5) && { canonical }),
      ...this.#terms,
    }
  }

  #operatorCall(): StepCall {
    const { fence } = this.#lastHeld
    const step = this.#pick(['purge', 'resolve', 'cancel', 'get'] as const)
    if (step === 'get') return { step }
    return step === 'purge' ? { step, fence, force: this.#chance(0.5) } : { step, fence }
  }

  #chance(share: number): boolean {
    return this.#unit() < share
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)] as Item
  }
}
