import type { StoreKey } from '../../packages/retrysafe/src/engine/record.ts'
import type { Action, CallAction } from './action.ts'
import { Client } from './client.ts'
import { type Code, ownCode } from './code.ts'
import { Coverage } from './coverage.ts'
import { DispatchCheck } from './dispatch-check.ts'
import { Executor } from './executor.ts'
import { heal } from './healing.ts'
import { HistoryLog } from './history-log.ts'
import { Network } from './network.ts'
import type { Plan } from './plan.ts'
import { openRemoteStore } from './remote-store.ts'
import { Trace } from './trace.ts'
import { Truth } from './truth.ts'
import { Upstream } from './upstream.ts'
import { Verdict, type Violation } from './verdict.ts'
import { Host, NoRest, VirtualTime } from './virtual-time.ts'
import type { World } from './world.ts'

export interface SimulationOptions {
  /** Default: the checkout's own. */
  readonly code?: Code
  /** The trace in words too. Default false. */
  readonly spoken?: boolean
  readonly coverage?: Coverage
  /** Keeps what was asked and answered, for the history checker. Default false. */
  readonly keepsHistory?: boolean
}

export interface SimulationResult {
  readonly violations: readonly Violation[]
  readonly traceHash: number
  readonly lines: readonly string[]
  /** Messages that arrived. */
  readonly deliveries: number
  readonly history: HistoryLog
}

/** Plays one plan from the beginning: the same plan comes to the same end. */
export async function simulate(plan: Plan, options: SimulationOptions = {}): Promise<SimulationResult> {
  const simulation = new Simulation(plan, options)
  await simulation.play().catch((error: unknown) => {
    if (!(error instanceof NoRest)) throw error
    simulation.verdict.wrong('I12', error.message, simulation.world.time.nowMs)
  })
  const { verdict, world, network, history } = simulation
  const { trace } = world
  const { violations } = verdict
  return { violations, traceHash: trace.hash, lines: trace.lines, deliveries: network.deliveries, history }
}

/** How long an operator looks for what it wants, and how often. */
const lookEveryMs = 150
const looks = 100
const killedAfterGivingUpMs = 50

/** A store, its executors, their clients, and everything that happens to them. */
export class Simulation {
  readonly world: World
  readonly network: Network
  readonly truth: Truth
  readonly upstream: Upstream
  readonly verdict = new Verdict()
  readonly history: HistoryLog
  readonly executors: Executor[] = []
  /** Every request so far, and who serves it. */
  readonly requests: { client: Client; executor: Executor }[] = []
  isHealed = false
  readonly #check: DispatchCheck
  readonly #lives: number[] = []

  constructor(plan: Plan, options: SimulationOptions) {
    const { code = ownCode, spoken = false, coverage = new Coverage(), keepsHistory = false } = options
    const time = new VirtualTime()
    this.world = { plan, code, time, coverage, trace: new Trace(spoken) }
    this.truth = new Truth(this.world, this.verdict)
    this.network = new Network(this.world)
    this.upstream = new Upstream(this.world)
    this.history = new HistoryLog(time, keepsHistory)
    this.#check = new DispatchCheck(this.truth, this.verdict, () => time.nowMs)
  }

  async play(): Promise<void> {
    const { plan, time } = this.world
    this.network.willHealAt(plan.spanMs)
    for (let executor = 0; executor < plan.executors; executor++) await this.#start(executor)
    for (const action of plan.actions) time.at(action.atMs, undefined, () => this.#act(action))
    await time.runUntil(plan.spanMs)
    await heal(this)
  }

  /** Begins the next life of an executor. */
  async #start(executor: number): Promise<void> {
    const { plan, time } = this.world
    const life = this.#lives[executor] ?? 0
    this.#lives[executor] = life + 1
    const number = executor * 64 + life
    const host = new Host(time, `e${executor}.${life}`, ((plan.seed % 7) - 3) * executor * 1_500)
    const link = { host, executor, number, counters: new Map(), sent: 0, newest: 0 }
    const { network, truth, history, verdict, upstream, world } = this
    const remote = openRemoteStore({ link, network, truth, history, verdict, pollMs: plan.pollMs })
    const opened = new Executor({ world, host, remote, upstream, check: this.#check, number })
    this.executors[executor] = opened
    await opened.open()
  }

  /** Sends one request to the executor it is meant for, or to the next one that takes it. */
  request(call: CallAction, at: number = call.executor): Client | undefined {
    const { time } = this.world
    const count = this.executors.length
    for (let next = 0; next < count; next++) {
      const executor = this.executors[(at + next) % count]
      if (executor === undefined || !executor.takesCalls) continue
      const client = new Client(this, call)
      this.requests.push({ client, executor })
      // A stopped process finds the request when it goes on.
      time.at(time.nowMs, executor.host, () => this.#serve(executor, client))
      if (call.leavesAfterMs !== undefined) this.#leaveLater(client, executor.host, call.leavesAfterMs)
      return client
    }
    return undefined
  }

  #serve(executor: Executor, client: Client): void {
    executor.serve(client).catch((error: unknown) => {
      this.verdict.wrong('I12', `client ${client.call.id} meets a fault: ${error}`, this.world.time.nowMs)
    })
  }

  #leaveLater(client: Client, host: Host, afterMs: number): void {
    const { time } = this.world
    time.at(time.nowMs + afterMs, undefined, () => {
      client.leave()
      time.at(time.nowMs, host, () => client.gone?.abort('the client has left'))
    })
  }

  #act(action: Action): void {
    const { time, trace, coverage } = this.world
    trace.note(time.nowMs, 8_000, action.kind.length, () => JSON.stringify(action))
    switch (action.kind) {
      case 'call':
        this.request(action)
        return
      case 'crash':
        coverage.hit('fault: crash')
        return this.#crash(action.executor, action.downMs)
      case 'pause':
        return this.#pause(action.executor, action.forMs, action.sleeps)
      case 'clock': {
        coverage.hit(`fault: clock ${action.byMs > 0 ? 'forward' : 'back'}`)
        const host = action.of === 'store' ? this.truth.host : this.executors[action.of]?.host
        if (host !== undefined) host.wallOffsetMs += action.byMs
        return
      }
      case 'outage':
        return this.network.outage(action.executor, action.forMs)
      case 'operator':
        return this.#look(action, looks)
      case 'sweep':
        void this.truth.sweep(action.limit)
        return
      case 'echo':
        coverage.hit('fault: echo')
        this.executors[action.executor]?.remote.echo(`k${action.key}` as StoreKey)
        return
      case 'drain':
        return this.#drain(action)
    }
  }

  /** Killed, with all its connections; another life begins after `downMs`. */
  #crash(number: number, downMs: number): void {
    const executor = this.executors[number]
    if (executor === undefined || executor.host.state === 'dead' || this.isHealed) return
    this.kill(executor)
    const { time } = this.world
    time.at(time.nowMs + downMs, undefined, () => {
      if (!this.isHealed) void this.#start(number)
    })
  }

  kill(executor: Executor): void {
    executor.kill()
    for (const { client, executor: serving } of this.requests) if (serving === executor) client.breakOff()
  }

  async restart(number: number): Promise<void> {
    const executor = this.executors[number]
    if (executor !== undefined && executor.host.state !== 'dead') this.kill(executor)
    await this.#start(number)
  }

  #pause(number: number, forMs: number, sleeps: boolean): void {
    const { time, coverage } = this.world
    const host = this.executors[number]?.host
    if (host === undefined || host.state !== 'up' || this.isHealed) return
    coverage.hit(sleeps ? 'fault: sleep' : 'fault: pause')
    host.state = 'paused'
    const endMs = Math.min(time.nowMs + forMs, this.world.plan.spanMs)
    const sleptMs = endMs - time.nowMs
    time.at(endMs, undefined, () => {
      if (sleeps) host.monotonicOffsetMs -= sleptMs
      host.resume()
    })
  }

  #drain({ executor: number, graceMs, downMs }: Extract<Action, { kind: 'drain' }>): void {
    const { time, coverage } = this.world
    const executor = this.executors[number]
    if (executor === undefined || !executor.takesCalls) return
    coverage.hit('fault: drain')
    executor.isDraining = true
    time.at(time.nowMs + graceMs, executor.host, () => executor.giveUp())
    time.at(time.nowMs + graceMs + killedAfterGivingUpMs, undefined, () => {
      if (this.executors[number] === executor) this.#crash(number, downMs)
    })
  }

  #look(action: Extract<Action, { kind: 'operator' }>, left: number): void {
    const { time } = this.world
    const key = `k${action.key}` as StoreKey
    const view = this.truth.view(key)
    if (view === undefined || (action.when !== 'any' && view.state !== action.when)) {
      if (left > 0 && !this.isHealed) time.at(time.nowMs + lookEveryMs, undefined, () => this.#look(action, left - 1))
      return
    }
    const operation = this.history.operate('operator', key, view.fence, action.act)
    time.at(time.nowMs + action.wayMs, undefined, () => {
      void this.truth.operate(key, view.fence, action.act).then(answer => this.history.operated(operation, answer))
    })
  }
}
