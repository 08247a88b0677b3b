import { execFileSync } from 'node:child_process'
import { shrink } from '../../packages/retrysafe/src/store-testkit/shrink.ts'
import { checkHistory } from '../history/check-history.ts'
import type { Action } from './action.ts'
import type { Code } from './code.ts'
import { Coverage } from './coverage.ts'
import { drawPlan, type Plan } from './plan.ts'
import { type SimulationResult, simulate } from './simulation.ts'
import { whileTrapped } from './trap.ts'
import type { Violation } from './verdict.ts'

/** So many seeds are played before the event loop turns. */
const batchSeeds = 50
/** `SIMULATION_SHRINK_RUNS`: 0 where nobody reads the story. */
const maxShrinkRuns = Number(process.env['SIMULATION_SHRINK_RUNS'] ?? 400)
const shownLines = 200

export interface Judged extends SimulationResult {
  /** Histories that took too many steps to decide. */
  readonly tooHard: number
}

/** Plays a plan; the histories of its keys are checked where that is asked for and nothing else is wrong. */
export async function judge(
  plan: Plan,
  options: { code?: Code; coverage?: Coverage; spoken?: boolean; checksHistory?: boolean } = {},
): Promise<Judged> {
  const { checksHistory = false, ...rest } = options
  const result = await simulate(plan, { ...rest, keepsHistory: checksHistory })
  if (!checksHistory || result.violations.length > 0) return { ...result, tooHard: 0 }
  const found = checkHistory({
    operations: result.history.operations,
    options: { wallSlackMs: wallSlackMs(plan), leaseSlackMs: 0.01 },
  })
  const violations = found.flatMap((violation): Violation[] => {
    if (violation.kind === 'too hard') return []
    const { invariant, text } = violation
    return [{ invariant, what: `history of ${text}`, atMs: plan.spanMs }]
  })
  return { ...result, violations, tooHard: found.length - violations.length }
}

/** By how much the store's calendar is moved. */
function wallSlackMs({ actions }: Plan): number {
  let slackMs = 0
  for (const action of actions) if (action.kind === 'clock' && action.of === 'store') slackMs += Math.abs(action.byMs)
  return slackMs
}

export interface PlayedSeeds {
  readonly coverage: Coverage
  readonly seeds: number
  readonly deliveries: number
  readonly histories: number
  readonly tooHard: number
  /** The first seed that fails, if one does. */
  readonly failure: { readonly seed: number; readonly violations: readonly Violation[] } | undefined
}

export interface SeedRange {
  readonly from: number
  readonly count: number
  /** Every how many seeds the histories are checked too; 0: never. */
  readonly historyEvery: number
  readonly code?: Code
  /** Only a violation of this one counts as a failure. Default: any. */
  readonly invariant?: string
  /** Called after every batch. */
  readonly progress?: (seeds: number) => void
}

/** Plays seed after seed until one fails. */
export async function playSeeds(range: SeedRange): Promise<PlayedSeeds> {
  const { from, count, historyEvery, code, invariant, progress } = range
  const coverage = new Coverage()
  const sums = { seeds: 0, deliveries: 0, histories: 0, tooHard: 0 }
  let failure: PlayedSeeds['failure']
  const options = code === undefined ? { coverage } : { coverage, code }
  const playOne = async (seed: number): Promise<void> => {
    const checksHistory = historyEvery > 0 && seed % historyEvery === 0
    const { violations, deliveries, tooHard } = await judge(drawPlan(seed), { ...options, checksHistory })
    sums.seeds++
    sums.deliveries += deliveries
    sums.tooHard += tooHard
    if (checksHistory) sums.histories++
    const counts = violations.filter(violation => invariant === undefined || violation.invariant === invariant)
    if (counts.length > 0) failure = { seed, violations: counts }
  }
  while (sums.seeds < count && failure === undefined) {
    await withoutStacks(() =>
      whileTrapped(async () => {
        const batch = Math.min(count - sums.seeds, batchSeeds)
        for (let next = 0; next < batch && failure === undefined; next++) await playOne(from + sums.seeds)
      }),
    )
    progress?.(sums.seeds)
    await new Promise(resolve => setImmediate(resolve))
  }
  return { coverage, failure, ...sums }
}

/** Every time-out is an error; thousands of stacks nobody reads are dear. */
async function withoutStacks(body: () => Promise<void>): Promise<void> {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    await body()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** The shortest plan that still breaks the same invariant, told from its beginning to where it breaks. */
export async function tellStory(plan: Plan, code?: Code): Promise<string> {
  const options = code === undefined ? { checksHistory: true } : { checksHistory: true, code }
  const firstOf = async (actions: readonly Action[]): Promise<Violation | undefined> => {
    const { violations } = await judge({ ...plan, actions }, options)
    return violations[0]
  }
  const whole = await firstOf(plan.actions)
  if (whole === undefined) return `seed ${plan.seed}: nothing is wrong`
  const fails = async (actions: readonly Action[]): Promise<boolean> =>
    (await firstOf(actions))?.invariant === whole.invariant
  const actions = await shrink(plan.actions, fails, maxShrinkRuns)
  const { violations, lines } = await judge({ ...plan, actions }, { ...options, spoken: true })
  const [violation] = violations
  const { actions: _, ...world } = plan
  return [
    `seed ${plan.seed} of commit ${commit()}: ${whole.invariant}: ${whole.what}`,
    `replay it with SEED=${plan.seed} npx vitest run test/simulation/simulation.test.ts`,
    `world: ${JSON.stringify(world)}`,
    `${actions.length} of ${plan.actions.length} actions are enough:`,
    ...lines.slice(0, shownLines),
    ...(lines.length > shownLines ? [`… ${lines.length - shownLines} more lines`] : []),
    `at ${violation?.atMs.toFixed(3)}: ${violation?.invariant}: ${violation?.what}`,
  ].join('\n')
}

export function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return 'unknown'
  }
}
