import { pause, type Surroundings } from '../../engine/clock.ts'
import { RetrysafeError } from '../../engine/errors.ts'

/** Somebody else has the record's row locked: asked again after so long, at first. */
const firstMs = 2
const lastMs = 50

/** Asks until nobody else has the row; answers `busy` when that takes longer than `patienceMs`. */
export async function untilFree<Answer extends { kind: string }>(
  ask: () => Promise<Answer>,
  patienceMs: number,
  { timers, random, clock }: Surroundings,
): Promise<Answer> {
  const startedMs = clock.monotonicMs()
  for (let delayMs = firstMs; ; delayMs = Math.min(delayMs * 2, lastMs)) {
    const answer = await ask()
    if (answer.kind !== 'busy' || clock.monotonicMs() - startedMs >= patienceMs) return answer
    await pause(timers, delayMs * (0.5 + random.unit()))
  }
}

/** What is not `busy`. */
export type Free<Answer extends { kind: string }> = Answer & { kind: Exclude<Answer['kind'], 'busy'> }

/** @throws {RetrysafeError} `STORE_UNAVAILABLE` */
export function mustBeFree<Answer extends { kind: string }>(answer: Answer): Free<Answer> {
  if (answer.kind !== 'busy') return answer as Free<Answer>
  throw new RetrysafeError('STORE_UNAVAILABLE', 'another transaction holds the record: try again when it has ended')
}
