import type { Store, Subscription } from '../../packages/retrysafe/src/engine/store.ts'
import { difference } from '../../packages/retrysafe/src/store-testkit/difference.ts'
import type { StoreTime } from '../../packages/retrysafe/src/stores/row/row.ts'
import type { RecordedStep, Recording, StepRequest } from './recorded-steps.ts'
import { comparable, keyOf, type Leeway } from './replay-answer.ts'
import { ReplayNames } from './replay-names.ts'

/** Where recordings are replayed. */
export interface ReplayTarget {
  /** Handles on one store that holds none of the recordings' records, as so many processes have them. */
  readonly stores: readonly [Store, ...Store[]]
  /** Moves the store's clock, forth or back. */
  setTime(time: StoreTime): void | Promise<void>
  readonly leeway: Leeway
}

/** The first step whose answer is another one than the recorded store's. */
export interface ReplayDifference {
  readonly recording: Recording
  /** Its place among the recording's steps. */
  readonly at: number
  /** What differs, in words. */
  readonly what: string
  readonly expected: unknown
  readonly actual: unknown
}

/**
 * Sends the steps of all recordings, each recording's in its order and at its times, and compares every answer. What
 * several recordings have at the same time is sent at once.
 */
export async function replay(
  recordings: readonly Recording[],
  target: ReplayTarget,
): Promise<ReplayDifference | undefined> {
  let players = recordings.map(recording => new Player(recording, target))
  for (;;) {
    players = players.filter(player => player.next !== undefined)
    const first = players.reduce<RecordedStep | undefined>((least, { next }) => earlier(least, next), undefined)
    if (first === undefined) return undefined
    const { time } = first
    await target.setTime(time)
    const due = players.filter(({ next }) => next !== undefined && isSame(next.time, time))
    const found = await Promise.all(due.map(player => player.playAt(time)))
    const different = found.find(one => one !== undefined)
    if (different !== undefined) return different
  }
}

function earlier(a: RecordedStep | undefined, b: RecordedStep | undefined): RecordedStep | undefined {
  return a === undefined || (b !== undefined && b.time.wallMs < a.time.wallMs) ? b : a
}

function isSame(a: StoreTime, b: StoreTime): boolean {
  return a.wallMs === b.wallMs && a.leaseMs === b.leaseMs
}

/** One recording on its way. */
class Player {
  readonly #recording: Recording
  readonly #target: ReplayTarget
  readonly #names: ReplayNames
  readonly #subscriptions = new Map<number, Subscription>()
  #at = 0

  constructor(recording: Recording, target: ReplayTarget) {
    this.#recording = recording
    this.#target = target
    this.#names = new ReplayNames(recording.plan.seed)
  }

  get next(): RecordedStep | undefined {
    return this.#recording.steps[this.#at]
  }

  /** All that comes next at this time. */
  async playAt(time: StoreTime): Promise<ReplayDifference | undefined> {
    for (let step = this.next; step !== undefined && isSame(step.time, time); step = this.next) {
      const different = await this.#play(step)
      if (different !== undefined) return different
      this.#at++
    }
    return undefined
  }

  async #play(step: RecordedStep): Promise<ReplayDifference | undefined> {
    const { request } = step
    const different = (what: string, expected: unknown, actual: unknown): ReplayDifference => {
      return { recording: this.#recording, at: this.#at, what, expected, actual }
    }
    let answer: unknown
    try {
      answer = await this.#send(request)
    } catch (error) {
      return different(`the store rejects it: ${error}`, step.answer, error)
    }
    const wrongFence = this.#noteFence(request, step.answer, answer)
    if (wrongFence !== undefined) return different(wrongFence, step.answer, answer)
    const { expected, actual } = comparable(request, step.answer, answer, this.#names, this.#target.leeway)
    const where = difference(actual, expected, 0)
    return where === undefined ? undefined : different(`the store answers ${where}`, expected, actual)
  }

  #noteFence(request: StepRequest, recorded: unknown, answer: unknown): string | undefined {
    const key = keyOf(request)
    if (key === undefined || !isAcquired(recorded) || !isAcquired(answer)) return undefined
    return this.#names.given(key, recorded.token.fence, answer.token.fence)
  }

  async #send(request: StepRequest): Promise<unknown> {
    const names = this.#names
    const store = this.#storeOf(request)
    switch (request.name) {
      case 'claim': {
        const [terms] = request.args
        const { key, raw } = terms
        return store.claim({ ...terms, key: names.key(key), raw: names.fingerprint(raw), ...names.canonical(terms) })
      }
      case 'renew': {
        const [key, token, change] = request.args
        return store.renew(names.key(key), names.token(key, token), { ...change, ...names.canonical(change) })
      }
      case 'append': {
        const [key, token, piece] = request.args
        return store.append(names.key(key), names.token(key, token), { ...piece, ...names.canonical(piece) })
      }
      case 'complete': {
        const [key, token, piece] = request.args
        return store.complete(names.key(key), names.token(key, token), { ...piece, ...names.canonical(piece) })
      }
      case 'release': {
        const [key, token, terms] = request.args
        return store.release(names.key(key), names.token(key, token), { ...terms, ...names.canonical(terms) })
      }
      case 'read': {
        const [key, fence, offsetBytes, limitBytes] = request.args
        return store.read(names.key(key), names.fence(key, fence), offsetBytes, limitBytes)
      }
      case 'cancel':
      case 'resolve': {
        const [key, fence] = request.args
        return store[request.name](names.key(key), names.fence(key, fence))
      }
      case 'purge': {
        const [key, fence, options] = request.args
        return store.purge(names.key(key), names.fence(key, fence), options)
      }
      case 'get':
        return store.get(names.key(request.args[0]))
      case 'sweep':
        return store.sweep(...request.args)
      case 'metaInit':
        return store.metaInit(...request.args)
      case 'list':
        return store.list(...request.args)
      case 'unknown':
        return store.unknown(...request.args)
      case 'counters':
        return store.counters(...request.args)
      case 'now':
        return store.now()
      case 'subscribe':
        this.#subscriptions.set(
          request.subscriber,
          store.subscribe(names.key(request.args[0]), () => {}),
        )
        return undefined
      case 'unsubscribe':
        this.#subscriptions.get(request.subscriber)?.close()
        return undefined
    }
  }

  /**
   * An attempt's steps come from the process that made it, everybody else's from anywhere. In a crowd the clock stands
   * still within a tick: a key that is freed and claimed again by another process could get the same fence twice, so
   * there each recording has a process of its own.
   */
  #storeOf(request: StepRequest): Store {
    const { stores } = this.#target
    const { plan, target } = this.#recording
    const number = target.kind === 'crowd' ? plan.seed : (ownerOf(request)?.charCodeAt(0) ?? this.#at)
    return stores[number % stores.length] ?? stores[0]
  }
}

function ownerOf(request: StepRequest): string | undefined {
  switch (request.name) {
    case 'claim':
      return request.args[0].owner
    case 'renew':
    case 'append':
    case 'complete':
    case 'release':
      return request.args[1].owner
    default:
      return undefined
  }
}

function isAcquired(answer: unknown): answer is { token: { fence: number } } {
  return typeof answer === 'object' && answer !== null && 'kind' in answer && answer.kind === 'acquired'
}
