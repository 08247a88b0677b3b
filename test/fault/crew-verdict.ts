import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkEffects } from '../history/check-effects.ts'
import { checkHistory } from '../history/check-history.ts'
import { readHistoryFile } from '../history/history-file.ts'
import { readLedgers } from '../history/ledger.ts'
import type { HistoryOptions, Operation } from '../history/operation.ts'
import { machineMs } from '../support/process-figures.ts'
import { startMember } from '../support/process-member.ts'
import type { WorkerCrew } from './worker-crew.ts'

const program = new URL('./programs/auditor.mjs', import.meta.url)

export interface Audit {
  /** Acknowledged completions. */
  readonly count: number
  /** Keys of these. */
  readonly keys: number
  /** What of them is lost, changed or there twice. */
  readonly wrong: readonly unknown[]
  readonly operations: readonly Operation[]
}

/** A fresh process claims every acknowledged key again. */
export async function audit(crew: WorkerCrew): Promise<Audit> {
  const history = join(crew.folder, 'history-auditor.jsonl')
  const auditor = startMember(program, { url: crew.url, history })
  try {
    const files = crew.lives.map(({ acknowledgements }) => acknowledgements).filter(file => existsSync(file))
    const answer = await auditor.ask<Omit<Audit, 'operations'>>('audit', { files })
    return { ...answer, operations: readHistoryFile(history, auditor.name) }
  } finally {
    await auditor.kill()
  }
}

/** Every key's history must have an explanation. */
export function judgeHistory(crew: WorkerCrew, operations: readonly Operation[], options: HistoryOptions): string[] {
  const fromMs = machineMs()
  const violations = checkHistory({ operations, deaths: crew.deaths, options })
  const unanswered = operations.filter(({ result }) => result === undefined).length
  const takeovers = operations.filter(({ result }) => result?.kind === 'acquired' && result.attempt > 1).length
  console.log(
    `history: ${operations.length} operations (${unanswered} unanswered, ${takeovers} takeovers and later attempts) ` +
      `of ${new Set(operations.map(({ key }) => key)).size} keys, ${violations.length} violations, ` +
      `checked in ${((machineMs() - fromMs) / 1_000).toFixed(1)} s`,
  )
  return violations.map(({ text }) => text)
}

/** Every effect that began, by its fsynced ledger: no more of them than the key's policy allows. */
export function judgeEffects(crew: WorkerCrew, operations: readonly Operation[]): string[] {
  const entries = readLedgers(crew.lives.map(({ ledger }) => ledger).filter(file => existsSync(file)))
  const terms = new Map(
    operations.flatMap(({ key, call }) =>
      call.step === 'claim' ? [[key, { onCrash: call.onCrash, maxAttempts: call.maxAttempts }]] : [],
    ),
  )
  const violations = checkEffects(entries, terms, operations)
  const dispatched = entries.filter(({ phase }) => phase === 'dispatched').length
  console.log(`effects: ${dispatched} dispatched of ${terms.size} keys, ${violations.length} violations`)
  return violations.map(({ text }) => text)
}
