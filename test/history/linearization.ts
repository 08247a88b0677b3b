import type { Answered, KeyHistory } from './key-history.ts'
import type { StepResult } from './operation.ts'
import { outcomesOf, stateName, statesAfter } from './outcome-match.ts'
import type { Span, State } from './record-model.ts'

export type Search =
  | { kind: 'found' }
  /** No order explains the answers; `deadEnd` is where the deepest try ended. */
  | { kind: 'none'; deadEnd: DeadEnd }
  | { kind: 'too hard'; steps: number }

/** `next` had to take effect in `state`, and its answer cannot be. */
export interface DeadEnd {
  readonly state: State
  readonly next: Answered
  readonly at: Span
}

/**
 * Looks for an order of the operations, each between its invoke and its return, in which the state table allows every
 * answer. Depth first with a memo of what has failed.
 *
 * The time of a step lies between the latest invoke of everything before it and the earliest return of everything
 * that is still to come: both depend only on what went before as a set, so the memo may forget its order.
 *
 * @see Wing, Gong: Testing and verifying concurrent objects (1993); Lowe: Testing for linearizability (2017)
 */
export function findLinearization(history: KeyHistory, maxSteps: number): Search {
  let steps = 0
  for (const guesses of guessesAhead) {
    const isLast = guesses === Number.POSITIVE_INFINITY
    const search = new LinearizationSearch(
      history,
      isLast ? maxSteps - steps : Math.min(maxSteps / 10, maxSteps - steps),
    )
    if (search.explore({ row: undefined, toldFence: 0 }, Number.NEGATIVE_INFINITY, guesses)) return { kind: 'found' }
    steps += search.steps
    const isDecided = search.isOver && (isLast || !search.heldBack)
    if (isDecided && search.deadEnd !== undefined) return { kind: 'none', deadEnd: search.deadEnd }
  }
  return { kind: 'too hard', steps }
}

/**
 * How many unanswered operations may take effect before anything asks for it, in each try: the right order is most
 * often one in which they do so just before an answer that cannot be without them. Only the last try decides.
 */
const guessesAhead = [0, 1, 2, Number.POSITIVE_INFINITY]

/** Choices upon choices; the stack bears some more. Past that it is too hard. */
const maxDepth = 2_000

/** What may be next: an answered operation with the states it may lead to. */
interface Candidate {
  readonly place: number
  readonly answered: Answered
  readonly states: readonly State[]
}

class LinearizationSearch {
  steps = 0
  deadEnd: DeadEnd | undefined
  /** A guess was not tried for want of `guessesAhead`. */
  heldBack = false
  readonly #history: KeyHistory
  readonly #maxSteps: number
  readonly #isDone: Uint8Array
  readonly #isUsed: Uint8Array
  readonly #failed = new Set<string>()
  #first = 0
  #doneCount = 0
  #deepest = -1
  #depth = 0

  constructor(history: KeyHistory, maxSteps: number) {
    this.#history = history
    this.#maxSteps = maxSteps
    this.#isDone = new Uint8Array(history.answered.length)
    this.#isUsed = new Uint8Array(history.unanswered.length)
  }

  /** All orders were tried. */
  get isOver(): boolean {
    return this.steps <= this.#maxSteps
  }

  /** Whether the rest can follow in `from`, no earlier than `fromMs`. What it took on the way it gives back. */
  explore(from: State, fromMs: number, aheadLeft: number): boolean {
    this.#depth += 1
    const isFound = this.#depth <= maxDepth && this.#exploreOn(from, fromMs, aheadLeft)
    if (this.#depth > maxDepth) this.steps = Number.POSITIVE_INFINITY
    this.#depth -= 1
    return isFound
  }

  #exploreOn(from: State, fromMs: number, aheadLeft: number): boolean {
    let state = from
    let nowMs = fromMs
    const taken: number[] = []
    while (this.#doneCount < this.#history.answered.length && this.isOver) {
      const byMs = this.#earliestReturn()
      const candidates = this.#candidates(state, nowMs, byMs)
      const isStuck = candidates.some(({ answered, states }) => answered.untilMs === byMs && states.length === 0)
      const mayGuess = isStuck || aheadLeft > 0
      if (!mayGuess && this.#history.unanswered.length > 0) this.heldBack = true
      const guesses = mayGuess ? this.#guesses(state, nowMs, byMs) : []
      const sure = sureStep(candidates, guesses.length, state, nowMs)
      if (sure !== undefined) {
        this.#take(sure.place)
        taken.push(sure.place)
        nowMs = Math.max(nowMs, sure.answered.fromMs)
        state = sure.state
        continue
      }
      const next: Branches = { candidates, guesses, guessCost: isStuck ? 0 : 1 }
      if (this.#branch(state, nowMs, byMs, next, aheadLeft)) return true
      break
    }
    if (this.#doneCount === this.#history.answered.length) return true
    this.#giveBack(taken)
    return false
  }

  #branch(state: State, nowMs: number, byMs: number, next: Branches, aheadLeft: number): boolean {
    // Most searches never fail, and need no names.
    if (this.#failed.size > 0 && this.#failed.has(this.#name(state, aheadLeft))) return false
    const { candidates, guesses, guessCost } = next
    candidates.sort((one, other) => one.answered.untilMs - other.answered.untilMs)
    for (const { place, answered, states } of candidates) {
      for (const after of states) {
        this.#take(place)
        if (this.explore(after, Math.max(nowMs, answered.fromMs), aheadLeft)) return true
        this.#giveBack([place])
      }
    }
    for (const guess of guesses) {
      this.#isUsed[guess.place] = 1
      if (this.explore(guess.after, Math.max(nowMs, guess.fromMs), aheadLeft - guessCost)) return true
      this.#isUsed[guess.place] = 0
    }
    this.#failed.add(this.#name(state, aheadLeft))
    this.#noteDeadEnd(state, nowMs, byMs, candidates)
    return false
  }

  /** Nothing may take effect after that, before the operation that returned then has. */
  #earliestReturn(): number {
    const { answered } = this.#history
    let byMs = Number.POSITIVE_INFINITY
    while (this.#isDone[this.#first] === 1) this.#first += 1
    for (let place = this.#first; place < answered.length; place += 1) {
      const operation = answered[place]
      if (operation === undefined || operation.fromMs > byMs) break
      if (this.#isDone[place] === 0) byMs = Math.min(byMs, operation.untilMs)
    }
    return byMs
  }

  #candidates(state: State, nowMs: number, byMs: number): Candidate[] {
    const { answered, world } = this.#history
    const candidates: Candidate[] = []
    for (let place = this.#first; place < answered.length; place += 1) {
      const operation = answered[place]
      if (operation === undefined || operation.fromMs > byMs) break
      if (this.#isDone[place] === 1) continue
      const at = { loMs: Math.max(nowMs, operation.fromMs), hiMs: byMs }
      this.steps += 1
      const states = statesAfter(state, operation.call, operation.result, at, world)
      candidates.push({ place, answered: operation, states })
    }
    return candidates
  }

  /** Operations without answer that would change something now. */
  #guesses(state: State, nowMs: number, byMs: number): Guess[] {
    const { unanswered, world } = this.#history
    const guesses: Guess[] = []
    for (const [place, { call, fromMs, untilMs, twin }] of unanswered.entries()) {
      if (fromMs > byMs) break
      if (this.#isUsed[place] === 1 || untilMs < nowMs) continue
      if (twin !== undefined && this.#isUsed[twin] === 0) continue
      const at = { loMs: Math.max(nowMs, fromMs), hiMs: Math.min(byMs, untilMs) }
      this.steps += 1
      for (const { answer, next } of outcomesOf(state, call, at, world)) {
        if (next === state.row) continue
        const named = 'fence' in call && answer.kind === 'ok' ? call.fence : 0
        const toldFence = Math.max(state.toldFence, next?.fence ?? 0, named)
        guesses.push({ place, fromMs, after: { row: next, toldFence } })
      }
    }
    return guesses
  }

  #take(place: number): void {
    this.#isDone[place] = 1
    this.#doneCount += 1
  }

  #giveBack(places: readonly number[]): void {
    for (const place of places) {
      this.#isDone[place] = 0
      this.#first = Math.min(this.#first, place)
    }
    this.#doneCount -= places.length
  }

  #name(state: State, aheadLeft: number): string {
    while (this.#isDone[this.#first] === 1) this.#first += 1
    let name = `${aheadLeft} ${this.#first}`
    const { answered } = this.#history
    let left = this.#doneCount - this.#first
    for (let place = this.#first; left > 0 && place < answered.length; place += 1) {
      if (this.#isDone[place] === 0) continue
      left -= 1
      name += `,${place}`
    }
    return `${name}|${this.#isUsed.join('')}|${stateName(state)}`
  }

  #noteDeadEnd(state: State, nowMs: number, byMs: number, candidates: readonly Candidate[]): void {
    const next = candidates.find(candidate => candidate.answered.untilMs === byMs)?.answered
    if (next === undefined || this.#doneCount <= this.#deepest) return
    this.#deepest = this.#doneCount
    this.deadEnd = { state, next, at: { loMs: Math.max(nowMs, next.fromMs), hiMs: byMs } }
  }
}

/** An unanswered operation that takes effect now. */
interface Guess {
  readonly place: number
  readonly fromMs: number
  readonly after: State
}

interface Branches {
  readonly candidates: Candidate[]
  readonly guesses: readonly Guess[]
  /** 0 where something asks for a guess. */
  readonly guessCost: number
}

/**
 * A step that needs no alternative: the only one there is, or one whose answer never changes anything and whose moment
 * moves nobody else's. Whatever order explains the answers, the same order with that step moved here does so too.
 */
function sureStep(
  candidates: readonly Candidate[],
  guessCount: number,
  state: State,
  nowMs: number,
): { place: number; answered: Answered; state: State } | undefined {
  const possible = candidates.reduce((count, { states }) => count + states.length, guessCount)
  for (const [index, { place, answered, states }] of candidates.entries()) {
    const next = states[0]
    if (next === undefined || states.length > 1) continue
    const isOnly = possible === 1
    const movesNobody =
      changesNothing(answered.result) && (answered.fromMs <= nowMs || (index === 0 && guessCount === 0))
    if (isOnly || (next === state && movesNobody)) return { place, answered, state: next }
  }
  return undefined
}

/** An answer that leaves the record as it is, wherever it is given. `unknown` may give an attempt up. */
function changesNothing(result: StepResult): boolean {
  return result.kind !== 'acquired' && result.kind !== 'ok' && result.kind !== 'unknown'
}
