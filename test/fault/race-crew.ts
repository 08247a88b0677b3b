import { expect } from 'vitest'
import { checkHistory } from '../history/check-history.ts'
import type { HistoryOptions, Operation, StepResult } from '../history/operation.ts'
import { machineMs } from '../support/process-figures.ts'
import { killAll, type Member, startMember } from '../support/process-member.ts'

const program = new URL('./programs/racer.mjs', import.meta.url)
/** From "all are ready" to the start: longer than the message takes, so that all wait for it. */
const startInMs = 5

interface Timed<Answer> {
  readonly invokedAtMs: number
  readonly returnedAtMs: number
  readonly answer: Answer
}

export interface Token {
  readonly fence: number
  readonly owner: string
}

export type Claimed = Timed<
  | { kind: 'acquired'; token: Token; attempt: number; sent: boolean }
  | { kind: 'running'; fence: number }
  | { kind: 'completed'; fence: number; hash: string }
>

export interface Winner {
  readonly place: number
  readonly token: Token
  readonly attempt: number
}

/** Processes on one store that claim the same keys at the same instants, and the history of all that they asked. */
export class RaceCrew {
  readonly size = 8
  readonly operations: Operation[] = []
  /** How many claims of each race were in flight at once. */
  readonly crowds: number[] = []
  readonly #url: string
  readonly #racers: Member[] = []
  readonly #others: Member[] = []

  constructor(url: string) {
    this.#url = url
  }

  async start(): Promise<void> {
    for (let place = 0; place < this.size; place++) this.#racers.push(startMember(program, { url: this.#url }))
    await this.#allReady()
  }

  /** One more process, which takes no part in the races. */
  startOther(): Member {
    const member = startMember(program, { url: this.#url })
    this.#others.push(member)
    return member
  }

  killAll(): Promise<void> {
    return killAll([...this.#racers, ...this.#others])
  }

  /** Everybody is ready, then everybody claims the key at one instant, each with an owner of its own. */
  async race(key: string, notBeforeMs = 0): Promise<Claimed[]> {
    await this.#allReady()
    const claims = await this.claimAll(key, Math.max(machineMs() + startInMs, notBeforeMs))
    this.crowds.push(inFlight(claims))
    return claims
  }

  claimAll(key: string, atMs?: number): Promise<Claimed[]> {
    return Promise.all(this.#racers.map((racer, place) => this.claim(racer, key, `${key}-${place}`, 30_000, atMs)))
  }

  async claim(member: Member, key: string, owner: string, leaseMs: number, atMs?: number): Promise<Claimed> {
    const call = {
      owner,
      raw: `raw of ${key}`,
      leaseMs,
      retentionMs: 600_000,
      onCrash: 'rerun',
      maxAttempts: 3,
    } as const
    const claimed = await member.ask<Claimed>('claim', { key, terms: call, atMs })
    const { answer, ...times } = claimed
    this.operations.push({
      process: member.name,
      key,
      call: { step: 'claim', ...call },
      ...times,
      result: resultOf(answer),
    })
    return claimed
  }

  /** @param by a racer's place, or a process of `startOther` */
  async complete(by: number | Member, key: string, token: Token, text: string, value: string): Promise<string> {
    const member = typeof by === 'number' ? this.#racers[by] : by
    if (member === undefined) throw new Error(`nobody is at place ${by}`)
    const { answer, ...times } = await member.ask<Timed<'ok' | 'lost' | 'dup'>>('complete', { key, token, text })
    const call = { step: 'complete', ...token, value } as const
    this.operations.push({ process: member.name, key, call, ...times, result: { kind: answer } })
    return answer
  }

  /** What the history of everything so far breaks. */
  violations(options: HistoryOptions): string[] {
    return checkHistory({ operations: this.operations, options }).map(({ text }) => text)
  }

  async #allReady(): Promise<void> {
    await Promise.all(this.#racers.map(racer => racer.ask('ready')))
  }
}

/** The one who got it; all others must have been told that it runs. */
export function winnerOf(claims: readonly Claimed[]): Winner {
  const kinds = claims.map(({ answer }) => answer.kind).sort()
  expect(kinds).toEqual(['acquired', 'running', 'running', 'running', 'running', 'running', 'running', 'running'])
  const place = claims.findIndex(({ answer }) => answer.kind === 'acquired')
  const answer = claims[place]?.answer
  if (answer?.kind !== 'acquired') throw new Error('nobody won')
  const fences = claims.map(claim => (claim.answer.kind === 'acquired' ? claim.answer.token.fence : claim.answer.fence))
  expect(fences).toEqual(Array.from(claims, () => answer.token.fence))
  return { place, token: answer.token, attempt: answer.attempt }
}

/** How many claims were in flight at once, at the most. */
function inFlight(claims: readonly Claimed[]): number {
  return Math.max(
    ...claims.map(
      ({ invokedAtMs }) =>
        claims.filter(other => other.invokedAtMs <= invokedAtMs && invokedAtMs < other.returnedAtMs).length,
    ),
  )
}

function resultOf(answer: Claimed['answer']): StepResult {
  switch (answer.kind) {
    case 'acquired':
      return { kind: 'acquired', ...answer.token, attempt: answer.attempt, sent: answer.sent }
    case 'running':
      return { kind: 'running', fence: answer.fence }
    case 'completed':
      return { kind: 'completed', fence: answer.fence, value: answer.hash }
  }
}
