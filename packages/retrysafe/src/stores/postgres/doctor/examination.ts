import { RetrysafeError } from '../../../engine/errors.ts'
import { type Finding, wrong } from '../../finding.ts'
import { type OwnClient, withConnection } from '../connection.ts'
import { readSettings, type Settings } from '../settings.ts'
import { storeError } from '../store-error.ts'
import { examineClock } from './clock-check.ts'
import { examineNotifications } from './notification-check.ts'
import { examinePooler } from './pooler-check.ts'
import { examineSchema } from './schema-checks.ts'
import { judgeConnections, judgeServer, type ServerFacts, serverQuestion } from './server-checks.ts'

/**
 * Looks whether a PostgreSQL server and the schema in it hold what the store promises. Changes nothing.
 *
 * A server that cannot be reached, or that falls silent, is a finding, too, after at most the URL's `timeout` (5 s).
 *
 * @param options `url` as `postgresStore` takes it; `schema` beats the URL's
 * @throws {RetrysafeError} `CONFIG_INVALID`, `PEER_MISSING`
 * @example
 * const findings = await examinePostgres({ url: 'postgres://app:secret@db.example/app' })
 * if (findings.some(({ level }) => level === 'failed')) alert(findings)
 */
export async function examinePostgres(options: { url: string; schema?: string }): Promise<Finding[]> {
  const settings = readSettings(options)
  const findings: Finding[] = []
  try {
    await withConnection(settings.connectionString, client => examine(client, settings, findings), settings.timeoutMs)
  } catch (error) {
    const told = storeError(error)
    if (told.code === 'CONFIG_INVALID' || told.code === 'PEER_MISSING') throw told
    findings.push(wrong('connection', told.message))
  }
  return findings
}

async function examine(client: OwnClient, settings: Settings, findings: Finding[]): Promise<void> {
  const { connectionString, timeoutMs, listenConnectionString, schema, maxConnections } = settings
  const facts = await readServer(client)
  findings.push(...judgeServer(facts))
  const { pooling, finding } = await examinePooler(client, connectionString, timeoutMs)
  findings.push(finding)
  // A pooler's connections are shared by all processes, and its own business.
  const needed = maxConnections + (listenConnectionString === undefined ? 0 : 1)
  if (pooling === 'none') findings.push(judgeConnections(facts, needed))
  findings.push(await examineNotifications(client, listenConnectionString, timeoutMs))
  findings.push(await examineClock(client))
  findings.push(...(await examineSchema(client, schema, facts.autovacuum)))
}

async function readServer(client: OwnClient): Promise<ServerFacts> {
  const { rows } = await client.query(serverQuestion)
  const [facts] = rows
  if (facts === undefined) throw new RetrysafeError('STORE_UNAVAILABLE', 'the server gave no answer')
  return facts as ServerFacts
}
