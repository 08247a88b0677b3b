import assert from 'node:assert/strict'
import type { StoreKey, Token } from '../engine/record.ts'
import { plain } from './assertions.ts'
import { difference } from './difference.ts'
import type { KitHarness } from './harness.ts'
import { Model } from './model.ts'
import { type Request, send } from './request.ts'
import { type Sight, seenOf } from './sight.ts'
import { fingerprint, Trial } from './trial.ts'
import { spellings, type WalkStep, walkLeaseMs } from './walk-step.ts'

/** Where the store's own clock, running on by itself, may have decided either way: the walk ends, nobody is wrong. */
class Inconclusive extends Error {}

/**
 * Plays a walk on a fresh store and on the model, and compares every answer and, after every step, all that is visible.
 *
 * @param twice every request is sent twice in a row
 * @returns what is wrong, or `undefined`
 */
export async function play(
  harness: KitHarness,
  walk: readonly WalkStep[],
  twice: boolean,
): Promise<string | undefined> {
  const trial = await Trial.open(harness, harness.maxPassMs)
  const player = new Player(trial, twice)
  let at = 0
  try {
    for (; at < walk.length; at++) await player.take(walk[at] ?? assert.fail())
    await player.look()
    return undefined
  } catch (error) {
    if (error instanceof Inconclusive) return undefined
    return `step ${at + 1} of ${walk.length}, ${JSON.stringify(walk[at])}: ${error instanceof Error ? error.message : error}`
  } finally {
    await trial.close()
  }
}

class Player {
  readonly #t: Trial
  readonly #twice: boolean
  #model: Model
  readonly #keys: readonly StoreKey[]
  readonly #tokens = new Map<StoreKey, Token[]>()
  readonly #requests: Request[] = []
  #claims = 0
  #leftMs: number
  /** How far off a moment in the model may be from the store's: as long as the longest request took. */
  #doubtMs = 0
  readonly #sights = new Map<StoreKey, Sight>()

  constructor(trial: Trial, twice: boolean) {
    this.#t = trial
    this.#model = new Model(trial.store.traits.mayLoseRows)
    this.#twice = twice
    this.#keys = [trial.key('k0'), trial.key('k1')]
    this.#leftMs = trial.harness.maxPassMs
  }

  async take(step: WalkStep): Promise<void> {
    if (this.#sights.size === 0) await this.look()
    if (step.kind === 'pass') {
      if (step.ms > this.#leftMs) return
      this.#leftMs -= step.ms
      await this.#t.pass(step.ms)
      await this.look()
    } else if (step.kind === 'sweep') {
      const removed = await this.#t.store.sweep(step.limit)
      assert.ok(removed <= step.limit, `sweep(${step.limit}) removed ${removed}`)
      await this.look()
    } else {
      const request = step.kind === 'echo' ? this.#requests.at(-1 - step.back) : this.#prepare(step)
      if (request === undefined) return
      if (step.kind !== 'echo') this.#requests.push(request)
      await this.#deliver(request)
    }
  }

  async #deliver(request: Request): Promise<void> {
    const key = keyOf(request)
    const older = 'token' in request && !this.#isNewest(request.key, request.token)
    const before = this.#sights.get(key)
    await this.#sendOnce(request, key)
    // On a clock that runs by itself what is shown has moved on meanwhile; there the model alone is the judge.
    const byHand = this.#t.slackMs === 0
    if (older && byHand) this.#assertSame(this.#sights.get(key), before, 'I6: after an older token the store shows')
    if (!this.#twice) return
    const once = this.#sights.get(key)
    await this.#sendOnce(request, key)
    if (byHand) this.#assertSame(this.#sights.get(key), once, 'I7: sent twice, the store shows')
  }

  async #sendOnce(request: Request, key: StoreKey): Promise<void> {
    const from = await this.#now()
    if (this.#model.leavesOpen(request, from + 2 * this.#doubtMs)) return
    const answer = plain(await send(this.#t.store, request))
    const expected = this.#expect(request, from, await this.#now(), answer)
    this.#assertSame(answer, expected, 'the store answered')
    if (request.kind !== 'offer' && request.kind !== 'take') await this.look([key])
  }

  /** The model's answer; on a clock that runs by itself, only if it is the same at the request's start and end. */
  #expect(request: Request, from: number, to: number, answer: unknown): unknown {
    const acquired = typeof answer === 'object' && answer !== null && 'token' in answer ? answer.token : undefined
    const isToken = typeof acquired === 'object' && acquired !== null && 'fence' in acquired
    const drawn = { fence: isToken && typeof acquired.fence === 'number' ? acquired.fence : undefined }
    if (this.#t.slackMs === 0) return this.#remember(request, this.#model.answer(request, from, drawn))
    this.#doubtMs = Math.max(this.#doubtMs, to - from + 2)
    const late = this.#model.clone()
    const earlyAnswer = this.#model.answer(request, from - this.#doubtMs, drawn)
    // Twice: what the model has kept of earlier requests is late by so much already.
    const lateAnswer = late.answer(request, to + 2 * this.#doubtMs, drawn)
    this.#model = late
    if (difference(earlyAnswer, lateAnswer, Number.POSITIVE_INFINITY) !== undefined) throw new Inconclusive()
    return this.#remember(request, lateAnswer)
  }

  #remember(request: Request, answer: unknown): unknown {
    if (request.kind !== 'claim') return answer
    const record = this.#model.records.get(request.terms.key)
    const given = this.#tokens.get(request.terms.key) ?? []
    const isNew = record?.token.owner === request.terms.owner && given.at(-1)?.owner !== request.terms.owner
    if (record !== undefined && isNew) this.#tokens.set(request.terms.key, [...given, record.token])
    return answer
  }

  /** Compares what is visible with the model. */
  async look(keys: readonly StoreKey[] = this.#keys): Promise<void> {
    const { store, slackMs } = this.#t
    for (const key of keys) {
      const from = await this.#now()
      const view = await store.get(key)
      this.#model.settle(key, view?.state)
      const sight = await seenOf(store, key, view)
      const to = await this.#now()
      const expected = this.#model.sight(key, from - this.#doubtMs)
      if (slackMs > 0) {
        this.#doubtMs = Math.max(this.#doubtMs, to - from + 2)
        const later = this.#model.sight(key, to + 2 * this.#doubtMs)
        if (difference(expected, later, Number.POSITIVE_INFINITY) !== undefined) throw new Inconclusive()
      }
      this.#assertSame(sight, expected, 'the store shows')
      this.#sights.set(key, sight)
    }
  }

  #prepare(step: Exclude<WalkStep, { kind: 'pass' | 'sweep' | 'echo' }>): Request | undefined {
    const t = this.#t
    if (step.kind === 'take') return { ...step, pair: t.name('pair'), owner: t.owner(step.owner) }
    const key = this.#keys[step.key] ?? t.key()
    if (step.kind === 'claim') {
      const { spelling, policy, cap, retentionMs } = step
      const [raw = 'raw-1', canonical] = spellings[spelling] ?? []
      const owner = `claims ${this.#claims++}`
      const terms = { owner, raw, onCrash: policy, maxAttempts: cap, leaseMs: walkLeaseMs, retentionMs }
      return { kind: 'claim', terms: { ...t.terms({ ...terms, ...(canonical && { canonical }) }), key } }
    }
    const given = this.#tokens.get(key) ?? []
    const token = given[given.length - 1 - step.age] ?? { fence: 1, owner: t.owner('nobody') }
    const canonical = 'canonical' in step && step.canonical ? fingerprint('canonical-1') : undefined
    switch (step.kind) {
      case 'offer':
        return {
          kind: 'offer',
          pair: t.name('pair'),
          offer: { key, fence: token.fence, count: step.count, ttlMs: 5_000 },
        }
      case 'append':
      case 'complete': {
        const offset = step.offset === 'end' ? (this.#model.records.get(key)?.log.length ?? 0) : step.offset
        return { kind: step.kind, key, token, canonical, offset, text: step.text }
      }
      case 'stepStart': {
        const { id, input, policy } = step
        return { ...step, key, token, step: { id, input: fingerprint(input), onCrash: policy, maxAttempts: 2 } }
      }
      case 'renew':
      case 'release':
        return { ...step, key, token, canonical }
      default:
        return { ...step, key, token }
    }
  }

  #isNewest(key: StoreKey, token: Token): boolean {
    return this.#tokens.get(key)?.at(-1)?.fence === token.fence
  }

  async #now(): Promise<number> {
    return this.#t.store.now()
  }

  #assertSame(actual: unknown, expected: unknown, what: string): void {
    const where = difference(actual, expected, this.#t.slackMs + 4 * this.#doubtMs)
    if (where !== undefined) assert.fail(`${what} ${where}`)
  }
}

/** The record that a request is about. */
function keyOf(request: Request): StoreKey {
  switch (request.kind) {
    case 'claim':
      return request.terms.key
    case 'offer':
      return request.offer.key
    case 'take':
      return request.pair as StoreKey
    default:
      return request.key
  }
}
