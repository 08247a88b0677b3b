import type { Attempt } from '../../packages/retrysafe/src/engine/attempt.ts'
import type { Call, Entry } from '../../packages/retrysafe/src/engine/claim.ts'
import type { Random, Surroundings, Timers } from '../../packages/retrysafe/src/engine/clock.ts'
import type { Engine } from '../../packages/retrysafe/src/engine/engine.ts'
import type { Follower } from '../../packages/retrysafe/src/engine/follower.ts'
import type { StoreKey } from '../../packages/retrysafe/src/engine/record.ts'
import type { Fingerprint } from '../../packages/retrysafe/src/fingerprint/fingerprint.ts'
import type { CallAction } from './action.ts'
import type { Client, Source } from './client.ts'
import { Dice } from './dice.ts'
import type { DispatchCheck } from './dispatch-check.ts'
import type { RemoteStore } from './remote-store.ts'
import { Run, type RunResult } from './run.ts'
import type { Upstream } from './upstream.ts'
import { clockErrorMs, type Host } from './virtual-time.ts'
import type { World } from './world.ts'

export interface ExecutorParts {
  readonly world: World
  readonly host: Host
  readonly remote: RemoteStore
  readonly upstream: Upstream
  readonly check: DispatchCheck
  /** Different for every life of every executor. */
  readonly number: number
}

/** Rule 10: so long an outcome waits for the store's word. */
const sealWaitMs = 1_000

/** One process: the real engine, and on top of it as much of a gateway as it takes to use it. */
export class Executor {
  readonly host: Host
  readonly remote: RemoteStore
  isDraining = false
  readonly #parts: ExecutorParts
  readonly #surroundings: Surroundings
  readonly #sealingSinceMs = new Map<number, number>()
  #gaveUp = false
  #engine: Engine | undefined

  constructor(parts: ExecutorParts) {
    this.#parts = parts
    this.host = parts.host
    this.remote = parts.remote
    const random = seededRandom(parts.world.plan.seed, parts.number)
    this.#surroundings = { clock: parts.host.clock, timers: parts.host.timers, random }
  }

  /** Ready at the next event: nothing here takes time. */
  async open(): Promise<void> {
    const { code, plan } = this.#parts.world
    this.#engine = await code.openEngine({
      store: this.remote.store,
      scopeSecret,
      maxWaiters: plan.maxWaiters,
      maxResultBytes: plan.maxResultBytes,
      surroundings: this.#surroundings,
    })
  }

  get takesCalls(): boolean {
    return this.host.state !== 'dead' && !this.isDraining && this.#engine !== undefined
  }

  get running(): number {
    return this.#engine?.running ?? 0
  }

  giveUp(): void {
    this.#gaveUp = true
    this.#engine?.giveUp().catch(() => {})
  }

  /** Killed: nothing of it ever runs again; what it has sent is on its way. */
  kill(): void {
    this.host.kill()
    this.remote.cut()
  }

  /** Serves one request, as the gateway's `proxy/journey.ts` does. */
  async serve(client: Client): Promise<void> {
    const engine = this.#engine
    if (engine === undefined) return client.refuse('NOT_READY')
    const call = new SimulatedCall(client, this.host.timers)
    try {
      await this.#perform(engine, client, call)
    } catch (error) {
      if (!(error instanceof this.#parts.world.code.RetrysafeError)) throw error
      this.#parts.world.coverage.hit(`entry: rejected ${error.code}`)
      client.refuse(error.code)
    }
  }

  async #perform(engine: Engine, client: Client, call: SimulatedCall): Promise<void> {
    let lost: Extract<RunResult, { kind: 'lost' }> | undefined
    for (;;) {
      const entry = await engine.enter(call)
      this.#count(entry)
      switch (entry.kind) {
        case 'run': {
          const result = await this.#run(client, entry.attempt)
          if (result.kind === 'served') return
          if (result.kind === 'lost') {
            lost = result
            call.mayRun = false
          }
          break
        }
        case 'replay': {
          const { head, body } = entry.replay
          if (body.kind === 'pieces') return this.#pipe(client, body.follower, 'replay', undefined)
          client.begin(head.status, 'replay')
          client.bytes(body.bytes)
          return client.end()
        }
        case 'follow':
          return this.#pipe(client, entry.follower, 'joined', entry.fence)
        case 'refused':
          return client.refuse(entry.refusal.code, entry.refusal.code === 'IN_FLIGHT' ? entry.refusal.retryAfterMs : 0)
        case 'none': {
          const own = lost?.own
          if (own === undefined) return client.refuse('IN_FLIGHT')
          client.begin(own.status, 'own')
          client.bytes(own.body)
          return client.end(true)
        }
        case 'left':
          return
      }
    }
  }

  async #run(
    client: Client,
    attempt: Attempt,
  ): Promise<{ kind: 'served' } | { kind: 'not begun' } | Extract<RunResult, { kind: 'lost' }>> {
    const { world, upstream, check } = this.#parts
    const begun = await attempt.begin().catch(error => {
      void attempt.release('free')
      throw error
    })
    if (begun === 'lost') return { kind: 'not begun' }
    const { key, payload, upstream: wish } = client.call
    const ledger = check.dispatching(this, attempt.key, attempt.token)
    const run = new Run({
      attempt,
      client,
      surroundings: this.#surroundings,
      code: world.code,
      reported: ledger.reported,
      sealing: fence => this.#sealingSinceMs.set(fence, this.host.clock.monotonicMs()),
      mayShow: fence => this.#mayShow(fence),
    })
    const { dispatch, stop } = upstream.send(this.host, { key, payload, token: attempt.token, upstream: wish }, run)
    run.stop = stop
    run.saysError = dispatch.outcome === 'stream with error'
    const served = await run.result
    if (served.kind !== 'recording') return served
    await this.#pipe(client, served.follower, 'own', attempt.token.fence)
    return { kind: 'served' }
  }

  /** Hands on what the follower gives, at the client's pace. */
  async #pipe(client: Client, follower: Follower, source: Source, fence: number | undefined): Promise<void> {
    const close = (): void => follower.close()
    const signal = client.gone?.signal
    signal?.addEventListener('abort', close)
    client.begin(follower.head.status, source)
    try {
      for (;;) {
        const step = await follower.next()
        if (client.isOver) return
        switch (step.kind) {
          case 'bytes':
            client.bytes(step.bytes)
            if (client.call.readsEveryMs > 0) await this.#pause(client.call.readsEveryMs)
            break
          case 'end':
            return client.end(this.#mayShow(fence))
          case 'broken':
            return client.breakOff()
        }
      }
    } catch {
      client.breakOff()
    } finally {
      signal?.removeEventListener('abort', close)
      close()
    }
  }

  /** An outcome that the store has not acknowledged: after a second, or when this process is going away (rule 12). */
  #mayShow(fence: number | undefined): boolean {
    const sinceMs = fence === undefined ? undefined : this.#sealingSinceMs.get(fence)
    if (sinceMs === undefined) return false
    return this.#gaveUp || this.host.clock.monotonicMs() - sinceMs >= sealWaitMs - clockErrorMs
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => this.host.timers.after(ms, resolve))
  }

  #count(entry: Entry): void {
    const { coverage, trace, time } = this.#parts.world
    const name = entryName(entry)
    coverage.hit(`entry: ${name}`)
    trace.note(time.nowMs, 7_000, name.length, () => `${this.host.name} enters: ${name}`)
  }
}

/** The same in every process of a simulation: they share their store. */
const scopeSecret = new Uint8Array(32)

class SimulatedCall implements Call {
  readonly key: StoreKey
  readonly raw: Fingerprint
  readonly leaseMs: number
  readonly retentionMs: number
  readonly onCrash: CallAction['onCrash']
  readonly maxAttempts: number
  readonly waitMs: number
  readonly signal?: AbortSignal
  readonly label = { operation: 'simulated', tenant: 'simulated' }
  mayRun = true
  readonly canonicalFirst: boolean
  readonly #canonicalMs: number | undefined
  readonly #payload: Fingerprint
  readonly #timers: Timers
  #making: Promise<Fingerprint> | undefined

  constructor({ call, gone }: Client, timers: Timers) {
    this.#timers = timers
    this.canonicalFirst = call.canonicalFirst
    this.#canonicalMs = call.canonicalMs
    this.key = `k${call.key}` as StoreKey
    this.raw = `${call.payload}${call.twin}` as Fingerprint
    this.#payload = call.payload as Fingerprint
    this.leaseMs = call.leaseMs
    this.retentionMs = call.retentionMs
    this.onCrash = call.onCrash
    this.maxAttempts = call.maxAttempts
    this.waitMs = call.waitMs
    if (gone !== undefined) this.signal = gone.signal
  }

  readonly canonical = (): Fingerprint | Promise<Fingerprint> => {
    const ms = this.#canonicalMs
    if (ms === undefined) return this.#payload
    this.#making ??= new Promise(resolve => this.#timers.after(ms, () => resolve(this.#payload)))
    return this.#making
  }
}

function entryName(entry: Entry): string {
  if (entry.kind === 'replay') return `replay ${entry.joined ? 'after a wait' : 'at once'}`
  if (entry.kind !== 'refused') return entry.kind
  const { refusal } = entry
  return `refused ${refusal.code}${refusal.code === 'IN_FLIGHT' ? ` ${refusal.reason}` : ''}`
}

function seededRandom(seed: number, number: number): Random {
  const dice = new Dice()
  dice.seed(seed, 55, number, 0)
  return {
    unit: () => dice.unit(),
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let at = 0; at < length; at++) bytes[at] = dice.unit() * 256
      return bytes
    },
  }
}
