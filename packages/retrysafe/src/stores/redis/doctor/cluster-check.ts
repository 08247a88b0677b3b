import { doubtful, type Finding, fine, wrong } from '../../finding.ts'
import type { Send } from './node-facts.ts'

const allSlots = 16_384

/** What one node says of the whole cluster. */
export async function examineCluster(send: Send): Promise<Finding> {
  const text = String(await send(['CLUSTER', 'INFO']))
  const lines = text.split(/\r?\n/).map(line => line.split(':', 2) as [string, string | undefined])
  return judgeCluster(new Map(lines.map(([name, value = '']) => [name, value])))
}

/** @param fields CLUSTER INFO's lines by name */
export function judgeCluster(fields: ReadonlyMap<string, string>): Finding {
  const check = 'cluster'
  const count = (name: string): number => Number(fields.get(name) ?? 0)
  const state = fields.get('cluster_state') ?? 'unknown'
  const [assigned, failing] = [count('cluster_slots_assigned'), count('cluster_slots_fail')]
  const says = `state ${state}, ${assigned} of ${allSlots} slots on ${count('cluster_size')} primaries`
  if (assigned < allSlots)
    return wrong(check, `${says}: the keys of the others have no place`, 'redis-cli --cluster fix HOST:PORT')
  if (failing > 0 || state !== 'ok')
    return wrong(
      check,
      `${says}, ${failing} of them on nodes that are gone`,
      'bring the node back, or let its replica take over',
    )
  const suspected = count('cluster_slots_pfail')
  if (suspected > 0)
    return doubtful(check, `${says}, ${suspected} of them on nodes that do not answer just now`, 'look at the nodes')
  return fine(check, says)
}
