import type { StoreKey } from '../../packages/retrysafe/src/engine/record.ts'
import { graceMs } from '../../packages/retrysafe/src/engine/store.ts'
import type { CallAction } from './action.ts'
import type { Client, ClientEnd } from './client.ts'
import type { Executor } from './executor.ts'
import type { Network } from './network.ts'
import type { Truth } from './truth.ts'
import type { Upstream } from './upstream.ts'
import type { Verdict } from './verdict.ts'
import type { World } from './world.ts'

/** What the healing needs of a simulation. */
export interface Healable {
  readonly world: World
  readonly network: Network
  readonly upstream: Upstream
  readonly truth: Truth
  readonly verdict: Verdict
  readonly executors: readonly Executor[]
  readonly requests: readonly { readonly client: Client }[]
  isHealed: boolean
  request(call: CallAction, at: number): Client | undefined
  restart(executor: number): Promise<void>
}

/** Longest rest that the simulated upstream asks for. */
const cooldownMs = 4_000
/** Longest answer that was begun before the healing. */
const answerMs = 30_000
/** Messages under way, waits between two requests of one client, the last runs themselves. */
const slackMs = 15_000
const sliceMs = 500

/**
 * Everything works again: nobody may stay without an answer, every key is asked for, and must settle within what is
 * left of lease, grace, upstream and cooldown. Then it is asked once more.
 */
export async function heal(simulation: Healable): Promise<void> {
  const { world, network, upstream } = simulation
  const { plan, time } = world
  simulation.isHealed = true
  network.heal()
  upstream.heal()
  for (const [number, executor] of simulation.executors.entries()) {
    if (executor.host.state === 'dead' || executor.isDraining) await simulation.restart(number)
    executor.host.resume()
  }
  const leases = plan.actions.map(action => (action.kind === 'call' ? action.leaseMs : 0))
  const boundMs = Math.max(1_000, ...leases) + graceMs + cooldownMs + answerMs + plan.upstreamTimeoutMs + slackMs
  const asked: Asking[] = []
  for (let key = 0; key < plan.keys; key++) {
    // Two at once, in different processes: the second has to wake up for the first one's answer.
    asked.push(new Asking(simulation, key, 0), new Asking(simulation, key, 1))
  }
  await settle(simulation, asked, time.nowMs + boundMs)
  const again = asked.filter(asking => asking.nth === 0).map(asking => new Asking(simulation, asking.key, 2))
  await settle(simulation, again, time.nowMs + boundMs)
}

async function settle(simulation: Healable, asked: readonly Asking[], deadlineMs: number): Promise<void> {
  const { time } = simulation.world
  while (time.nowMs < deadlineMs && !(isQuiet(simulation) && asked.every(asking => asking.isSettled))) {
    await time.runUntil(time.nowMs + sliceMs)
  }
  const wrong = (what: string): void => simulation.verdict.wrong('I12', what, time.nowMs)
  for (const asking of asked) if (!asking.isSettled) wrong(`k${asking.key} does not settle: ${asking.last}`)
  for (const { client } of simulation.requests) {
    if (!client.isOver) wrong(`client ${client.call.id} of k${client.call.key} never gets an answer`)
  }
  for (const executor of simulation.executors) {
    if (executor.running > 0) wrong(`${executor.host.name} has ${executor.running} attempts that never end`)
  }
}

function isQuiet({ requests, executors }: Healable): boolean {
  return executors.every(executor => executor.running === 0) && requests.every(({ client }) => client.isOver)
}

/** A client that asks for one key until that settles, as a retrying client does. */
class Asking {
  readonly key: number
  readonly nth: number
  isSettled = false
  last = 'no answer'
  /** Answered once, it asks again with another spelling: the record has a canonical fingerprint, or it would not do. */
  #respelled = false
  readonly #simulation: Healable

  constructor(simulation: Healable, key: number, nth: number) {
    this.#simulation = simulation
    this.key = key
    this.nth = nth
    this.#ask()
  }

  #ask(): void {
    const client = this.#simulation.request(this.#call(), this.key + this.nth)
    if (client === undefined) return this.#askIn(100)
    client.onEnd = ended => this.#hear(ended)
  }

  #askIn(ms: number): void {
    const { time } = this.#simulation.world
    time.at(time.nowMs + ms, undefined, () => this.#ask())
  }

  #hear(ended: ClientEnd): void {
    switch (ended.kind) {
      case 'whole':
        this.isSettled = ended.status === 200 && this.#respelled
        this.#respelled = ended.status === 200
        this.last = `status ${ended.status}`
        break
      case 'refused':
        // Listed: the state table allows both as a key's last word.
        this.#respelled = false
        this.isSettled = ended.code === 'OUTCOME_UNKNOWN' || ended.code === 'RESULT_NOT_KEPT'
        this.last = ended.code
        break
      case 'broken':
      case 'left':
        this.last = ended.kind
    }
    if (!this.isSettled) this.#askIn(ended.kind === 'refused' ? Math.max(100, ended.retryAfterMs) : 100)
  }

  /** With the payload that the record has now. */
  #call(): CallAction {
    const { truth, world } = this.#simulation
    const raw = truth.oracle(`k${this.key}` as StoreKey).latest?.incarnation.raw ?? 'a0'
    const theirs = world.plan.actions.find(action => action.kind === 'call' && action.key === this.key)
    const terms = theirs?.kind === 'call' ? theirs : undefined
    return {
      kind: 'call',
      id: 1_000 + this.key * 10 + this.nth,
      atMs: world.time.nowMs,
      executor: this.key + this.nth,
      key: this.key,
      payload: raw[0] === 'b' ? 'b' : 'a',
      twin: (raw[1] === '1') === this.#respelled ? 0 : 1,
      waitMs: 60_000,
      leaseMs: terms?.leaseMs ?? 10_000,
      retentionMs: terms?.retentionMs ?? 86_400_000,
      onCrash: terms?.onCrash ?? 'rerun',
      maxAttempts: terms?.maxAttempts ?? 3,
      leavesAfterMs: undefined,
      readsEveryMs: 0,
      canonicalMs: undefined,
      canonicalFirst: false,
    }
  }
}
