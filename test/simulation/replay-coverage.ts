import { plain } from '../../packages/retrysafe/src/store-testkit/assertions.ts'
import type { Coverage } from './coverage.ts'
import type { RecordedStep } from './recorded-steps.ts'

/**
 * Seeds that show all of it between them, found among the first 2,000. When the simulation draws its plans anew, other
 * ones will: `npm run simulate -- --replay memory --seeds 2000` names those that show something first.
 */
export const coveringSeeds: readonly number[] = [
  1_728, 209, 972, 1_649, 1_135, 747, 1_725, 1_719, 1_957, 434, 1_578, 148, 1_682, 1_324, 1_234, 301,
]

/** Every kind of step and answer that a simulated world can bring about. */
export const expectedReplayCoverage: readonly string[] = [
  'append: dup',
  'append: gap',
  'append: lost',
  'append: ok',
  'append: ok followed',
  'cancel: absent',
  'cancel: changed',
  'cancel: ok',
  'cancel: refused',
  'claim: acquired',
  'claim: completed',
  'claim: cooling',
  'claim: mismatch',
  'claim: running',
  'claim: undecided',
  'claim: unknown',
  'complete: dup',
  'complete: lost',
  'complete: ok',
  'counters',
  'get: absent',
  'get: completed',
  'get: open',
  'get: purged',
  'get: running',
  'get: unknown',
  'list',
  'metaInit',
  'now',
  'purge by force: absent',
  'purge by force: changed',
  'purge by force: ok',
  'purge: absent',
  'purge: changed',
  'purge: ok',
  'purge: running',
  'read: bytes',
  'read: bytes lapsed',
  'read: bytes sealed',
  'read: ended absent',
  'read: ended completed',
  'read: ended open',
  'read: ended purged',
  'read: ended running',
  'read: ended unknown',
  'release broken: lost',
  'release broken: ok',
  'release cancelled: lost',
  'release cancelled: ok',
  'release failed: lost',
  'release failed: ok',
  'release free: lost',
  'release free: ok',
  'renew with mark: lost',
  'renew with mark: ok',
  'renew with mark: ok cancelled followed',
  'renew with mark: ok followed',
  'renew: lost',
  'renew: ok',
  'renew: ok cancelled',
  'renew: ok cancelled followed',
  'renew: ok followed',
  'resolve: absent',
  'resolve: ok',
  'resolve: refused',
  'subscribe',
  'sweep: nothing',
  'sweep: some',
  'unknown',
  'unsubscribe',
]

/** Counts every kind of step and answer. */
export function countSteps(steps: readonly RecordedStep[], coverage: Coverage): void {
  for (const step of steps) coverage.hit(nameOf(step))
}

function nameOf({ request, answer }: RecordedStep): string {
  const said = typeof answer === 'string' ? answer : wordsOf(answer)
  switch (request.name) {
    case 'release':
      return `release ${request.args[2].end}: ${said}`
    case 'purge':
      return `purge${request.args[2].force ? ' by force' : ''}: ${said}`
    case 'renew':
      return `renew${request.args[2].sent === true ? ' with mark' : ''}: ${said}`
    case 'sweep':
      return `sweep: ${answer === 0 ? 'nothing' : 'some'}`
    case 'metaInit':
    case 'list':
    case 'unknown':
    case 'counters':
    case 'now':
    case 'subscribe':
    case 'unsubscribe':
      return request.name
    case 'claim':
    case 'append':
    case 'complete':
    case 'read':
    case 'cancel':
    case 'resolve':
    case 'get':
      return `${request.name}: ${said}`
  }
}

/** An answer's kind, its state, and what it says yes to: `bytes sealed`, `ended open`, `ok cancelled`. */
function wordsOf(answer: unknown): string {
  const { kind, state, ...rest } = (answer === undefined ? { state: 'absent' } : plain(answer)) as Record<
    string,
    unknown
  >
  const yes = ['cancelled', 'followed', 'sealed', 'lapsed'].filter(name => rest[name] === true)
  return [kind, state, ...yes].filter(word => word !== undefined).join(' ')
}
