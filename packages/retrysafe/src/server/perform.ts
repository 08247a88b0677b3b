import type { Attempt } from '../engine/attempt.ts'
import type { Surroundings } from '../engine/clock.ts'
import { type DesertionTerms, stopWhenDeserted } from '../engine/desertion.ts'
import type { Engine } from '../engine/engine.ts'
import { type OptionNames, problemOf } from '../engine/refusal.ts'
import type { Replay } from '../engine/replay.ts'
import type { Turn } from '../engine/turn.ts'
import type { OutcomeWord } from '../protocol/headers.ts'
import type { Problem } from '../protocol/problem.ts'
import { isStream } from '../providers/select.ts'
import type { Caller, KeyNotice } from './caller.ts'
import { type HeldAnswer, HoldingCaller } from './held-answer.ts'
import type { KeyedCall } from './keyed-call.ts'
import { mediaTypeIn } from './request-head.ts'
import type { Retries } from './retries.ts'
import { type OwnAnswer, Run, type RunResult } from './run.ts'
import type { RunEnding } from './run-end.ts'
import type { StatusRange } from './status-range.ts'

/** A keyed request that is about to be answered. */
export interface Performance {
  readonly engine: Engine
  readonly call: KeyedCall
  readonly tenant: string
  readonly caller: Caller
  readonly notice: (outcome: OutcomeWord) => KeyNotice
  /** Of the request as the effect sees it. */
  readonly path: string
  readonly recordStatus: readonly StatusRange[]
  readonly names: OptionNames
  readonly surroundings: Surroundings
  /** Begins the effect, whose answer goes to the run. Called once for each run. */
  readonly dispatch: (run: Run, attempt: Attempt) => void
  /** What a call is told that may not run, where nobody has run it. */
  readonly mayNotRun?: Problem
  /** When the run stops because nobody wants it any more. Default: never. */
  readonly desertion?: DesertionTerms
  /** Where a failed run may be followed by others that its caller does not see. Default: none follows. */
  readonly retries?: Retries | undefined
  /** Hears how it goes. */
  readonly tell?: (turn: Turn) => void
}

type LostRun = Extract<RunResult, { kind: 'lost' }>
type RunAgain = { kind: 'again'; fence: number; held: HeldAnswer }

/**
 * Until the caller is served. A run whose record became somebody else's joins that, and never runs a second time.
 * Rejects as `Engine.enter` and `Attempt.begin` do: then nothing has been sent.
 */
export async function perform(performance: Performance): Promise<void> {
  const { engine, call, caller, notice, names, retries, tell } = performance
  let lost: LostRun | undefined
  let held: HeldAnswer | undefined
  for (;;) {
    // What failed once is a better answer than that the store cannot be asked whether it may run again.
    const entry = held === undefined ? await engine.enter(call) : await engine.enter(call).catch(() => undefined)
    switch (entry?.kind) {
      case undefined:
        return held?.show()
      case 'run': {
        const result = await runOnce(performance, entry.attempt, held !== undefined)
        if (result.kind === 'served') return
        if (result.kind === 'lost') {
          lost = result
          call.mayRun = false
        }
        if (result.kind === 'again') {
          held = result.held
          const next = await retries?.next(result.fence, held)
          if (next === 'left') return
          if (next !== 'run') return held.show()
        }
        break
      }
      case 'replay':
        tell?.({ kind: 'replayed', ageMs: entry.replay.ageMs, joined: entry.joined, replay: entry.replay })
        return caller.replay(entry.replay, replayNotice(performance, entry.replay, entry.joined))
      case 'follow':
        tell?.({ kind: 'joined' })
        await caller.live(entry.follower, entry.follower.head.headers, streamNotice(performance, 'joined', entry.fence))
        return tell?.({ kind: 'followed', fence: entry.fence })
      case 'refused':
        // It has run: its own failure is its answer.
        if (held !== undefined) return held.show()
        tell?.({ kind: 'refused', code: entry.refusal.code })
        return caller.problem(problemOf(entry.refusal, call.comparedAs, names), notice('refused'))
      case 'none':
        if (held !== undefined && lost?.own === undefined) return held.show()
        return serveOwn(performance, lost?.own)
      case 'left':
        return
    }
  }
}

async function runOnce(
  performance: Performance,
  attempt: Attempt,
  isRetry: boolean,
): Promise<{ kind: 'served' } | { kind: 'not begun' } | LostRun | RunAgain> {
  const { call, caller, notice, path, recordStatus, surroundings, dispatch, desertion, retries, tell } = performance
  const begun = await attempt.begin().catch(error => {
    // The store did not take the mark: nothing was sent, so the key is freed as soon as it listens again.
    void attempt.release('free')
    if (isRetry) return 'lost' as const
    throw error
  })
  if (begun === 'lost') return { kind: 'not begun' }
  if (desertion?.graceMs === 0 && desertion.gone.aborted) {
    // Nobody else has come to want it since the claim: then nothing is sent at all.
    if (attempt.recording.audience.isEmpty && !(await attempt.isFollowedElsewhere())) {
      await attempt.release('free')
      return { kind: 'served' }
    }
  }
  const executed = notice('executed')
  const { number } = attempt
  const { fence } = attempt.token
  const ended =
    tell &&
    ((ending: RunEnding) => {
      const deserted = attempt.isDeserted && !ending.recorded
      tell({ kind: 'executed', attempt: number, fence, deserted, ...ending })
    })
  const holding = retries?.isLeft ? new HoldingCaller(caller, attempt.onCrash) : undefined
  const failedBefore = call.failedRuns.size
  const terms = { attempt, caller: holding ?? caller, notice: executed, path, recordStatus, surroundings, failedBefore }
  const run = new Run(ended === undefined ? terms : { ...terms, ended })
  tell?.({ kind: 'begun', attempt: number })
  dispatch(run, attempt)
  if (desertion !== undefined) stopWhenDeserted(attempt, desertion, surroundings.timers)
  const served = await run.result
  if (served.kind === 'served' && holding !== undefined) {
    const held = await holding.held
    if (held === undefined) return served
    if (!attempt.isStopped) return { kind: 'again', fence, held }
    // It was stopped: it did not fail by itself.
    held.show()
    return served
  }
  if (served.kind !== 'recording') return served
  await caller.live(served.follower, served.head.headers, streamNotice(performance, 'executed', attempt.token.fence))
  return { kind: 'served' }
}

/** Of an answer that is handed out as a stream: its reader may ask for the rest by the id. */
function streamNotice({ engine, call, tenant, notice }: Performance, outcome: OutcomeWord, fence: number): KeyNotice {
  return { ...notice(outcome), stream: engine.identity.streamIds.make(tenant, { key: call.key, fence }) }
}

function replayNotice(performance: Performance, { head, body, fence }: Replay, joined: boolean): KeyNotice {
  const outcome = joined ? 'joined' : 'replayed'
  const isStreamed =
    body.kind === 'pieces' || isStream({ path: performance.path, mediaType: mediaTypeIn(head.headers) })
  return isStreamed ? streamNotice(performance, outcome, fence) : performance.notice(outcome)
}

/** An operator has purged the record while it ran: the caller still gets what it paid for, if that is here. */
function serveOwn({ caller, notice, mayNotRun = removed, tell }: Performance, own: OwnAnswer | undefined): void {
  if (own !== undefined) return caller.whole(own.head, own.body, notice('executed'))
  tell?.({ kind: 'refused', code: mayNotRun.code })
  caller.problem(mayNotRun, notice('refused'))
}

const removed: Problem = {
  code: 'IN_FLIGHT',
  detail: 'The record of this run was removed while it ran; its answer is lost. Come again to run anew.',
  retryAfterMs: 1_000,
}
