import type { Stats } from '../../packages/gateway/src/ledger/stats.ts'
import { ask, jsonOf } from './exchange.ts'

/** What a gateway says that it has spent, saved and seen. */
export async function readStats(admin: string, headers: Record<string, string> = {}): Promise<Stats> {
  const answer = await ask(`${admin}/api/v1/stats`, { method: 'GET', headers })
  if (answer.status !== 200) throw new Error(`${admin} answered ${answer.status}: ${answer.text}`)
  return jsonOf(answer) as Stats
}
