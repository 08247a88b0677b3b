import { examineClock as examineAnyClock } from '../../clock-check.ts'
import type { Finding } from '../../finding.ts'
import type { OwnClient } from '../connection.ts'

export function examineClock(client: OwnClient): Promise<Finding> {
  return examineAnyClock(async () => {
    const { rows } = await client.query('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms')
    const { ms } = rows[0] as { ms: number }
    return ms
  })
}
