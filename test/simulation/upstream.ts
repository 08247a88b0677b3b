import type { Token } from '../../packages/retrysafe/src/engine/record.ts'
import type { Outcome } from './action.ts'
import { Dice } from './dice.ts'
import type { Host } from './virtual-time.ts'
import type { World } from './world.ts'

/** One effect: begun by exactly one dispatch, with bytes that no other dispatch ever answers. */
export interface Dispatch {
  readonly number: number
  readonly key: number
  readonly payload: string
  readonly token: Token
  readonly status: number
  readonly body: Buffer
  readonly outcome: Outcome
}

export interface UpstreamHead {
  readonly status: number
  readonly isStream: boolean
  /** Absent for an answer that comes in pieces. */
  readonly lengthBytes: number | undefined
  readonly retryAfterMs: number | undefined
}

/** How a call that was not answered whole ended. */
export type UpstreamFailure = 'unreachable' | 'cut' | 'silent'

/** Who takes an answer in. */
export interface UpstreamSink {
  head(head: UpstreamHead): void
  data(bytes: Uint8Array, isLast: boolean): void
  /** Comes once. */
  end(failure: UpstreamFailure | undefined): void
}

/** Bytes at the front of every body that name its dispatch. */
export const nameBytes = 20

const healthy: readonly Outcome[] = ['plain', 'plain', 'stream', 'plain in pieces']
const troubled: readonly Outcome[] = [
  'stream with error',
  'stream cut',
  'refused 400',
  'failed 429',
  'failed 500',
  'broken 502',
  'broken 504',
  'cut',
  'unreachable',
  'silent',
]

/** The outside world, where effects happen. */
export class Upstream {
  readonly dispatches: Dispatch[] = []
  readonly #world: World
  readonly #dice = new Dice()
  readonly #counts = new Map<number, number>()
  #healed = false

  constructor(world: World) {
    this.#world = world
  }

  heal(): void {
    this.#healed = true
  }

  /** Begins one effect; its answer comes to `sink` as long as `host` runs. */
  send(
    host: Host,
    call: { key: number; payload: string; token: Token; upstream?: { outcome: Outcome; afterMs: number } | undefined },
    sink: UpstreamSink,
  ): { dispatch: Dispatch; stop: () => void } {
    const { plan, time, coverage, trace } = this.#world
    const count = this.#counts.get(call.key) ?? 0
    this.#counts.set(call.key, count + 1)
    const dice = this.#dice
    dice.seed(plan.seed, 77, call.key, count)
    const { key, payload, token, upstream } = call
    const drawn = this.#drawOutcome()
    const outcome = upstream?.outcome ?? drawn
    const number = this.dispatches.length
    const body = this.#drawBody(number, call)
    const dispatch: Dispatch = { key, payload, token, number, outcome, status: statusOf(outcome), body }
    this.dispatches.push(dispatch)
    coverage.hit(`upstream: ${outcome}`)
    trace.note(time.nowMs, 5_000, number, () => `${host.name} dispatches #${number} for k${call.key}: ${outcome}`)
    const delivery = new Delivery(this.#world, host, dispatch, sink)
    const slowest = this.#healed ? 100 : dice.chance(0.2) ? 12_000 : 800
    const afterMs = dice.between(1, slowest)
    delivery.begin(upstream?.afterMs ?? afterMs, {
      pieces: 1 + Math.floor(dice.unit() * 6),
      everyMs: dice.between(0, this.#healed ? 50 : dice.chance(0.3) ? 2_000 : 60),
      retryAfterMs: dice.chance(0.5) ? dice.between(0, 4_000) : undefined,
    })
    return { dispatch, stop: () => delivery.stop() }
  }

  #drawOutcome(): Outcome {
    const dice = this.#dice
    const outcomes = !this.#healed && dice.chance(this.#world.plan.upstreamTrouble) ? troubled : healthy
    return outcomes[Math.floor(dice.unit() * outcomes.length)] ?? 'plain'
  }

  #drawBody(number: number, { key, payload }: { key: number; payload: string }): Buffer {
    const dice = this.#dice
    const most = dice.chance(0.02) ? 70_000 : dice.chance(0.2) ? 1_200 : 90
    const length = Math.floor(dice.between(nameBytes, most))
    const name = `#${number} k${key} ${payload} `.padEnd(nameBytes, '.')
    // Of every place it can be told whose it is.
    return Buffer.from(name.repeat(Math.ceil(length / nameBytes)), 'latin1').subarray(0, length)
  }
}

interface Pace {
  readonly pieces: number
  readonly everyMs: number
  readonly retryAfterMs: number | undefined
}

/** One answer on its way. */
class Delivery {
  readonly #world: World
  readonly #host: Host
  readonly #dispatch: Dispatch
  readonly #sink: UpstreamSink
  #ended = false

  constructor(world: World, host: Host, dispatch: Dispatch, sink: UpstreamSink) {
    this.#world = world
    this.#host = host
    this.#dispatch = dispatch
    this.#sink = sink
  }

  begin(afterMs: number, pace: Pace): void {
    switch (this.#dispatch.outcome) {
      case 'unreachable':
        return this.#in(Math.min(afterMs, 50), () => this.#end('unreachable'))
      case 'cut':
        return this.#in(afterMs, () => this.#end('cut'))
      case 'silent':
        return this.#in(this.#world.plan.upstreamTimeoutMs, () => this.#end('silent'))
      default:
        return this.#in(afterMs, () => this.#answer(pace))
    }
  }

  /** The caller of this call has stopped it: it is told as of a cut, a turn later. */
  stop(): void {
    this.#in(0, () => this.#end('cut'))
  }

  #answer({ pieces, everyMs, retryAfterMs }: Pace): void {
    const { outcome, body, status } = this.#dispatch
    const isStream = outcome.startsWith('stream')
    const inPieces = isStream || outcome === 'plain in pieces'
    const lengthBytes = inPieces ? undefined : body.byteLength
    this.#sink.head({ status, isStream, lengthBytes, retryAfterMs })
    const parts = inPieces ? cut(body, pieces) : [body]
    const sent = outcome === 'stream cut' ? parts.slice(0, -1) : parts
    this.#sendNext(sent, 0, sent.length === parts.length, everyMs)
  }

  #sendNext(parts: readonly Buffer[], at: number, isWhole: boolean, everyMs: number): void {
    const part = parts[at]
    if (part === undefined) return this.#end(isWhole ? undefined : 'cut')
    this.#sink.data(part, isWhole && at === parts.length - 1)
    if (at === parts.length - 1 && isWhole) return this.#end(undefined)
    this.#in(everyMs, () => this.#sendNext(parts, at + 1, isWhole, everyMs))
  }

  #end(failure: UpstreamFailure | undefined): void {
    this.#ended = true
    this.#sink.end(failure)
  }

  #in(delayMs: number, run: () => void): void {
    const { time } = this.#world
    time.at(time.nowMs + delayMs, this.#host, () => {
      if (!this.#ended) run()
    })
  }
}

function cut(body: Buffer, pieces: number): Buffer[] {
  const step = Math.max(nameBytes, Math.ceil(body.byteLength / pieces))
  const parts: Buffer[] = []
  for (let from = 0; from < body.byteLength; from += step) parts.push(body.subarray(from, from + step))
  return parts
}

function statusOf(outcome: Outcome): number {
  const number = /\d{3}$/.exec(outcome)?.[0]
  return number === undefined ? 200 : Number(number)
}
