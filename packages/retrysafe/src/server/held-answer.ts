import type { Follower } from '../engine/follower.ts'
import type { CrashPolicy } from '../engine/record.ts'
import type { Replay } from '../engine/replay.ts'
import type { Problem } from '../protocol/problem.ts'
import { isUnanswered } from '../protocol/unanswered.ts'
import { isWorthRetrying } from '../protocol/worth-retrying.ts'
import type { AnswerHead } from './answer-head.ts'
import type { Caller, KeyNotice, Relaying } from './caller.ts'
import type { Failure } from './failure.ts'

/** A failed answer longer than that goes to its caller as it comes, and there is no retry. */
const maxHeldBytes = 65_536

/** A failure that its caller has not seen yet: another run may make it unseen. */
export interface HeldAnswer {
  /** The key rests in the store before it may run again. */
  readonly hasRest: boolean
  /** Nothing better came. */
  show(): void
}

/**
 * Stands before the caller of a run that may be followed by another: keeps back what fails in a way that another run may
 * mend, and hands everything else on. Nothing is ever kept back once a byte of the answer is out.
 */
export class HoldingCaller implements Caller {
  /** Settles once the attempt has ended: `undefined` where the caller has been served. */
  readonly held: Promise<HeldAnswer | undefined>
  readonly #caller: Caller
  readonly #onCrash: CrashPolicy
  #tell: (held: HeldAnswer | undefined) => void = () => {}

  constructor(caller: Caller, onCrash: CrashPolicy) {
    this.#caller = caller
    this.#onCrash = onCrash
    this.held = new Promise(resolve => {
      this.#tell = resolve
    })
  }

  problem(problem: Problem, notice: KeyNotice): void {
    this.#tell(undefined)
    this.#caller.problem(problem, notice)
  }

  /** Refusals of ours fail a run, too: they are final, as is what leaves the outcome unknown. */
  failed(failure: Failure, problem: Problem, notice: KeyNotice): void {
    const show = (): void => this.#caller.failed(failure, problem, notice)
    const isUpstreams = problem.code === 'UPSTREAM_UNREACHABLE' || problem.code === 'UPSTREAM_TIMEOUT'
    if (isUpstreams) return this.#tell({ hasRest: failure.end !== 'free', show })
    this.#tell(undefined)
    show()
  }

  whole(head: { status: number; headers: readonly string[] }, body: Uint8Array, notice: KeyNotice): void {
    this.#tell(undefined)
    this.#caller.whole(head, body, notice)
  }

  replay(replay: Replay, notice: KeyNotice): Promise<void> {
    this.#tell(undefined)
    return this.#caller.replay(replay, notice)
  }

  live(follower: Follower, headers: readonly string[], notice: KeyNotice): Promise<void> {
    this.#tell(undefined)
    return this.#caller.live(follower, headers, notice)
  }

  relay(head: AnswerHead, notice: KeyNotice, resume: () => void): Relaying {
    const open = (): Relaying => this.#caller.relay(head, notice, resume)
    if (this.#mayHold(head)) return new HeldRelay(open, head.status, this.#onCrash, held => this.#tell(held))
    this.#tell(undefined)
    return open()
  }

  breakOff(): void {
    this.#tell(undefined)
    this.#caller.breakOff()
  }

  #mayHold({ status, headers, endsByClose }: AnswerHead): boolean {
    // Under `fail` nobody may run again what may have had its effect.
    if (this.#onCrash === 'fail' && (endsByClose || isUnanswered(status))) return false
    return isWorthRetrying(status, fieldOf(headers, 'x-should-retry'))
  }
}

class HeldRelay implements Relaying {
  readonly #open: () => Relaying
  readonly #status: number
  readonly #onCrash: CrashPolicy
  readonly #tell: (held: HeldAnswer | undefined) => void
  readonly #pieces: Uint8Array[] = []
  #heldBytes = 0
  #relay: Relaying | undefined

  constructor(
    open: () => Relaying,
    status: number,
    onCrash: CrashPolicy,
    tell: (held: HeldAnswer | undefined) => void,
  ) {
    this.#open = open
    this.#status = status
    this.#onCrash = onCrash
    this.#tell = tell
  }

  write(bytes: Uint8Array): boolean {
    if (this.#relay !== undefined) return this.#relay.write(bytes)
    this.#pieces.push(bytes)
    this.#heldBytes += bytes.byteLength
    if (this.#heldBytes <= maxHeldBytes) return true
    this.#tell(undefined)
    return this.#begin().hasRoom
  }

  end(): void {
    if (this.#relay !== undefined) return this.#relay.end()
    const hasRest = isWorthRetrying(this.#status, undefined)
    this.#tell({ hasRest, show: () => this.#begin().relay.end() })
  }

  cut(): void {
    if (this.#relay !== undefined) return this.#relay.cut()
    const show = (): void => this.#begin().relay.cut()
    if (this.#onCrash === 'rerun') return this.#tell({ hasRest: true, show })
    this.#tell(undefined)
    show()
  }

  #begin(): { relay: Relaying; hasRoom: boolean } {
    const relay = this.#open()
    this.#relay = relay
    let hasRoom = true
    for (const piece of this.#pieces.splice(0)) hasRoom = relay.write(piece)
    return { relay, hasRoom }
  }
}

/** @param name lower case */
function fieldOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name)
  return at === -1 ? undefined : headers[at + 1]
}
