import type { Surroundings } from 'retrysafe/internal/engine/clock'
import { CountedLine } from '../counted-line.ts'
import { Budget } from './budget.ts'
import { strangeCountsLine } from './retry-count.ts'
import { Stays } from './stays.ts'

/** Bodies of calls that may be paired, all together: without them nobody could tell a retry. */
const maxBodyBytes = 268_435_456
/** Answers beside the way to their clients, all together. */
const maxAnswerBytes = 67_108_864
/** Calls that go on without their client, or are about to, at once. */
const maxLeft = 1_000

/** What this process knows of calls without a key, for as long as they run. */
export class Pairing {
  readonly stays: Stays
  readonly bodies: Budget = new Budget(maxBodyBytes)
  readonly answers: Budget = new Budget(maxAnswerBytes)
  readonly left: Budget = new Budget(maxLeft)
  /** Requests, and calls that were left, for which there was no room. */
  readonly crowded: CountedLine
  /** Requests that say nonsense of their retries. */
  readonly strangeCounts: CountedLine
  readonly surroundings: Surroundings

  constructor(surroundings: Surroundings, log: (message: string) => void) {
    this.surroundings = surroundings
    this.stays = new Stays(surroundings.clock, surroundings.timers)
    this.crowded = new CountedLine(surroundings.clock, count => log(crowdedLine(count)))
    this.strangeCounts = new CountedLine(surroundings.clock, count => log(strangeCountsLine(count)))
  }
}

function crowdedLine(requests: number): string {
  const bounds = `${maxBodyBytes / 1_048_576} MiB of bodies are held already, or ${maxLeft} calls go on that were left`
  return `${requests} request(s) without a key are not protected (--keyless sdk-retries): ${bounds}`
}
