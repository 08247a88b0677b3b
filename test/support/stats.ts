import type { Stats } from '../../packages/gateway/src/ledger/stats.ts'
import { ask, jsonOf } from './exchange.ts'

/** What a gateway says that it has spent and saved. */
export async function readStats(
  admin: string,
  headers: Record<string, string> = {},
): Promise<Extract<Stats, { mode: 'serving' }>> {
  const stats = await readAnyStats(admin, headers)
  if (stats.mode !== 'serving') throw new Error(`${admin} only observes`)
  return stats
}

/** What a gateway that only looks on has seen. */
export async function readObserved(admin: string): Promise<Extract<Stats, { mode: 'observing' }>['observed']> {
  const stats = await readAnyStats(admin, {})
  if (stats.mode !== 'observing') throw new Error(`${admin} does not observe`)
  return stats.observed
}

async function readAnyStats(admin: string, headers: Record<string, string>): Promise<Stats> {
  const answer = await ask(`${admin}/api/v1/stats`, { method: 'GET', headers })
  if (answer.status !== 200) throw new Error(`${admin} answered ${answer.status}: ${answer.text}`)
  return jsonOf(answer) as Stats
}
