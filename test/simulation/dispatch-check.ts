import type { Clock } from '../../packages/retrysafe/src/engine/clock.ts'
import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import { graceMs } from '../../packages/retrysafe/src/engine/store.ts'
import type { Heard, RemoteStore } from './remote-store.ts'
import type { Truth } from './truth.ts'
import type { Verdict } from './verdict.ts'
import { clockErrorMs, type Host } from './virtual-time.ts'

/** Told by whoever sees how a dispatch goes. */
export interface Dispatched {
  /** A complete answer said that it failed, or that it never began. */
  reported(): void
}

/** The effects' ledger: whether each dispatch was allowed to begin, and how many there are. */
export class DispatchCheck {
  readonly #truth: Truth
  readonly #verdict: Verdict
  readonly #nowMs: () => number

  constructor(truth: Truth, verdict: Verdict, nowMs: () => number) {
    this.#truth = truth
    this.#verdict = verdict
    this.#nowMs = nowMs
  }

  /** To be called at the instant of the dispatch. */
  dispatching({ host, remote }: { host: Host; remote: RemoteStore }, key: StoreKey, token: Token): Dispatched {
    const wrong = (invariant: string, what: string): void => {
      this.#verdict.wrong(invariant, `${host.name} dispatches ${key} ${what}`, this.#nowMs())
    }
    const oracle = this.#truth.oracle(key)
    const grant = oracle.grants.get(token.fence)
    const heard = remote.heard(token)
    if (heard === undefined || grant === undefined) {
      wrong('I13', 'under a token that the store never gave it')
      return { reported: () => {} }
    }
    const { incarnation } = grant
    if (heard.refused) wrong('I13', 'although the store did not answer its mark')
    if (!grant.marked) wrong('I4', 'before it was marked')
    if (isPastDeadline(heard, host.clock)) wrong('I4', 'past its deadline')
    const holds = oracle.latest === grant && oracle.isRunning
    if (!holds && !grant.removed) wrong('I4', 'although the record is not its own any more')
    const leftMs = grant.leaseUntilMs - this.#truth.host.clock.monotonicMs()
    if (!grant.removed && leftMs < marginMs(heard) - clockErrorMs) wrong('I4', `with ${leftMs} ms of its lease left`)
    incarnation.unreported++
    const cap = incarnation.onCrash === 'fail' ? 1 : incarnation.maxAttempts
    if (incarnation.unreported > cap) wrong('I4', `${incarnation.unreported} times, the cap is ${cap}`)
    let told = false
    return {
      reported: () => {
        if (!told) incarnation.unreported--
        told = true
      },
    }
  }
}

/** Rule 6: nothing begins past lease − grace, counted from sending, by the larger advance of the two clocks. */
function isPastDeadline(heard: Heard, clock: Clock): boolean {
  const { countedFrom } = heard
  const elapsedMs = Math.max(clock.monotonicMs() - countedFrom.monotonicMs, clock.wallMs() - countedFrom.wallMs)
  return elapsedMs >= heard.leaseMs - marginMs(heard)
}

function marginMs({ leaseMs }: Heard): number {
  return Math.min(graceMs, leaseMs / 3)
}
