import { plain } from '../../packages/retrysafe/src/store-testkit/assertions.ts'
import { shrink } from '../../packages/retrysafe/src/store-testkit/shrink.ts'
import type { Action } from './action.ts'
import { type RecordedStep, type Recording, recordSteps } from './recorded-steps.ts'
import { type ReplayDifference, replay } from './replay.ts'
import { keyOf } from './replay-answer.ts'
import type { ReplayStage } from './replay-stage.ts'

const maxShrinkRuns = 100
/** Steps shown before the one that differs: the last ones on the same key. */
const shownSteps = 30
const maxWords = 400

/** A difference in words, with the shortest plan of the same seed that still differs, if it does so by itself. */
export async function tellDifference(found: ReplayDifference, stage: ReplayStage): Promise<string> {
  const { plan, target } = found.recording
  const replayed = async (actions: readonly Action[]): Promise<ReplayDifference | undefined> =>
    replay([await recordSteps({ ...plan, actions }, target)], await stage.open())
  const fails = async (actions: readonly Action[]): Promise<boolean> => (await replayed(actions)) !== undefined
  const isAlone = await fails(plan.actions)
  const actions = isAlone ? await shrink(plan.actions, fails, maxShrinkRuns) : plan.actions
  const shortest = isAlone ? ((await replayed(actions)) ?? found) : found
  const enough = isAlone
    ? `${actions.length} of ${plan.actions.length} actions are enough, told from there on:`
    : 'by itself the seed does not differ: others at the same time belong to it'
  return [
    `seed ${plan.seed} replayed to ${stage.name}: ${headline(found)}`,
    `replay it with npm run simulate -- --replay ${stage.name} --seed ${plan.seed}`,
    enough,
    ...stepsBefore(shortest),
    headline(shortest),
    `  expected ${words(shortest.expected)}`,
    `  came     ${words(shortest.actual)}`,
  ].join('\n')
}

function headline({ recording, at, what }: ReplayDifference): string {
  const { request } = stepAt(recording, at)
  const key = keyOf(request)
  return `step ${at + 1} of ${recording.steps.length}, ${request.name}${key === undefined ? '' : ` ${key}`}: ${cut(what)}`
}

function stepsBefore({ recording, at }: ReplayDifference): string[] {
  const key = keyOf(stepAt(recording, at).request)
  const lines: string[] = []
  for (let number = 0; number <= at; number++) {
    const { request } = stepAt(recording, number)
    const isQuiet = request.name === 'get' && number < at
    if (!isQuiet && (key === undefined || request.name === 'sweep' || keyOf(request) === key))
      lines.push(lineOf(recording, number))
  }
  return lines.slice(-shownSteps)
}

/** Number, ms since the first step, what was asked, what the recorded store answered. */
function lineOf(recording: Recording, at: number): string {
  const { request, time, answer } = stepAt(recording, at)
  const afterMs = time.wallMs - stepAt(recording, 0).time.wallMs
  const place = `${String(at + 1).padStart(5)} ${afterMs.toFixed(3).padStart(14)}`
  return `${place}  ${request.name} ${words(request.args)} → ${words(answer)}`
}

function stepAt({ steps }: Recording, at: number): RecordedStep {
  const step = steps[at]
  if (step === undefined) throw new Error(`the recording has ${steps.length} steps, and no step ${at}`)
  return step
}

function words(value: unknown): string {
  return cut(value instanceof Error ? String(value) : (JSON.stringify(plain(value)) ?? 'nothing'))
}

function cut(text: string): string {
  return text.length > maxWords ? `${text.slice(0, maxWords)}…` : text
}
