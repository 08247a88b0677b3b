/** One of the calls that would have been one run. */
export interface Member {
  /** `left`: its client was gone before it had the answer. */
  readonly result: 'running' | 'succeeded' | 'failed' | 'left'
  /** Told once: with us its run would not have been. */
  judgeRun(isDuplicate: boolean): void
}

/** Calls that wait for one run, at most; who comes then is not compared. */
const maxWaiting = 1_000

/**
 * What would have been one run: the first call makes it, and whoever comes while it runs, or while its outcome is kept,
 * is a duplicate. A run that fails is no outcome: the next in line makes its own.
 */
export class OneRun {
  readonly #ranOn: 'always' | 'if followed'
  #leader: Member | undefined
  #doneAtMs: number | undefined
  #waiting: Member[] = []

  /** @param ranOn when a run goes on with us though its client has left */
  constructor(ranOn: 'always' | 'if followed') {
    this.#ranOn = ranOn
  }

  /** Nothing is kept of it any more. */
  isFree(nowMs: number, keptMs: number): boolean {
    if (this.#leader !== undefined) return false
    return this.#doneAtMs === undefined || nowMs > this.#doneAtMs + keptMs
  }

  /** @returns false: too many wait to compare this one */
  enter(member: Member, nowMs: number, keptMs: number): boolean {
    if (this.isFree(nowMs, keptMs)) {
      this.#leader = member
      this.#doneAtMs = undefined
      member.judgeRun(false)
    } else if (this.#doneAtMs !== undefined) {
      member.judgeRun(true)
    } else if (this.#waiting.length < maxWaiting) {
      this.#waiting.push(member)
    } else {
      member.judgeRun(false)
      return false
    }
    return true
  }

  /** The member's result is there. */
  ended(member: Member, nowMs: number): void {
    if (member !== this.#leader) return
    for (;;) {
      const result = this.#leader?.result
      if (result === undefined || result === 'running') return
      const goesOn = result === 'left' && (this.#ranOn === 'always' || this.#waiting.length > 0)
      if (result === 'succeeded' || goesOn) return this.#done(nowMs)
      this.#leader = this.#waiting.shift()
      this.#leader?.judgeRun(false)
    }
  }

  #done(nowMs: number): void {
    this.#doneAtMs = nowMs
    this.#leader = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const member of waiting) member.judgeRun(true)
  }
}
