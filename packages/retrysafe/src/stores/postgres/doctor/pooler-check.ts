import { doubtful, type Finding, fine, wrong } from '../../finding.ts'
import { type OwnClient, withConnection } from '../connection.ts'
import { codeOf, storeError } from '../store-error.ts'

/** What stands between us and the server: nothing, or PgBouncer in one of its modes. */
export type Pooling = 'none' | 'session' | 'transaction' | 'statement'

/** Servers of a pool take turns in ways that two clients may happen to agree with. */
const rounds = 5

export async function examinePooler(
  client: OwnClient,
  connectionString: string,
  patienceMs: number,
): Promise<{ readonly pooling: Pooling | undefined; readonly finding: Finding }> {
  if (await isDirect(client)) return { pooling: 'none', finding: fine('pooler', 'none: PostgreSQL itself answers') }
  try {
    const pooling = await withConnection(connectionString, other => readMode(client, other), patienceMs)
    return { pooling, finding: judgePooling(pooling) }
  } catch (error) {
    const says = `a pooler answers, and a second connection through it failed: ${storeError(error).message}`
    return { pooling: undefined, finding: doubtful('pooler', says, 'give its pool more connections') }
  }
}

/** PgBouncer tells its clients a process id of its own making. */
export async function isDirect(client: OwnClient): Promise<boolean> {
  return (await backendOf(client)) === client.processID
}

/** Two clients that are both connected share a backend only where a backend is given back after each transaction. */
async function readMode(one: OwnClient, other: OwnClient): Promise<Exclude<Pooling, 'none'>> {
  const ones = new Set<number>()
  const others = new Set<number>()
  for (let round = 0; round < rounds; round++) {
    ones.add(await backendOf(one))
    others.add(await backendOf(other))
    others.add(await backendOf(other))
  }
  const shared = ones.size > 1 || others.size > 1 || [...ones].some(pid => others.has(pid))
  if (!shared) return 'session'
  try {
    await other.query('BEGIN')
    await other.query('COMMIT')
    return 'transaction'
  } catch (error) {
    // protocol_violation: PgBouncer's answer to BEGIN in statement mode
    if (codeOf(error) === '08P01') return 'statement'
    throw error
  }
}

async function backendOf(client: OwnClient): Promise<number> {
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
  return (rows[0] as { pid: number }).pid
}

function judgePooling(pooling: Exclude<Pooling, 'none'>): Finding {
  const says = `PgBouncer in ${pooling} mode`
  switch (pooling) {
    case 'session':
    case 'transaction':
      return fine('pooler', says)
    case 'statement':
      return wrong('pooler', `${says}: completeIn and migrate need transactions`, 'pool_mode = transaction')
  }
}
