import type { OperatorAnswer } from '../../engine/store.ts'
import { type Change, isExpired, keep, put, type Row, type StoreTime } from './row.ts'
import { remove, tombstone } from './write.ts'

/** What an operator asks of one record, naming the fence it saw. */
export type OperatorAct = { kind: 'cancel' } | { kind: 'resolve' } | { kind: 'purge'; force: boolean }

export function operateOnRow(
  row: Row | undefined,
  fence: number,
  act: OperatorAct,
  now: StoreTime,
): { answer: OperatorAnswer; change: Change } {
  if (row === undefined || row.state === 'purged' || isExpired(row, now)) return { answer: 'absent', change: keep }
  if (row.fence !== fence) return { answer: 'changed', change: keep }
  const running = row.state === 'running'
  switch (act.kind) {
    case 'cancel':
      return running ? { answer: 'ok', change: put({ ...row, cancelled: true }) } : { answer: 'refused', change: keep }
    case 'resolve':
      if (row.state !== 'unknown') return { answer: running ? 'running' : 'refused', change: keep }
      return { answer: 'ok', change: put(tombstone(row, now)) }
    case 'purge':
      if (running && !act.force) return { answer: 'running', change: keep }
      if (running || row.state === 'unknown') return { answer: 'ok', change: put(tombstone(row, now)) }
      return { answer: 'ok', change: remove(row, now) }
  }
}
