import { RetrysafeError } from '../../engine/errors.ts'
import { type PostgresClient, withConnection } from './connection.ts'
import { commands, migrations } from './embedded-sql.ts'
import { newestVersion, planMigration, readRole, type SchemaSource, type SqlFile } from './migration-plan.ts'
import { requireServer, tooNew } from './schema-check.ts'
import { defaultSchema, quoteIdentifier, readSchemaName } from './schema-name.ts'
import { codeOf, storeError } from './store-error.ts'
import { readStoreUrl } from './store-url.ts'

export interface MigrateOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, perhaps with `?schema=NAME`; or else `client`. */
  readonly url?: string
  /** A connection of yours, in no transaction: not a pool, whose queries would go to several. It stays open. */
  readonly client?: PostgresClient
  /** `^[a-z_][a-z0-9_]{0,39}$`; default: that of the URL, or `retrysafe`. */
  readonly schema?: string
  /** True: nothing is changed; the answer says what would be. */
  readonly dryRun?: boolean
  /** A role that may then work with the schema without owning it. */
  readonly grantTo?: string
  /** Hears the name of each statement before it runs. */
  readonly onStatement?: (name: string) => void
}

/** What was done; for a dry run, what would be. */
export interface MigrateAnswer {
  readonly schema: string
  /** The version that was found; 0: none. */
  readonly from: number
  readonly to: number
  readonly statements: readonly SqlFile[]
  /** The same as one text for `psql`, from BEGIN to COMMIT. */
  readonly script: string
}

/**
 * Leads a schema to the version of this library: makes it if need be, its tables, functions and partitions. All of it in
 * one transaction under a lock: it may be run again, by many at once, and through PgBouncer in transaction mode.
 *
 * Waits at most 60 s for another run, at most 5 s for a table that others use, and 10 min for a statement.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`; `PEER_MISSING`; `STORE_UNAVAILABLE`: no server, login, database or rights, or
 * it took too long; `STORE_INCOMPATIBLE`: the schema is newer, or holds something else, or the server is older than 14.
 * After an error nothing has changed, except that a connection lost at the end may have come too late: run it again
 * @example
 * const { from, to } = await migrate({ url: 'postgres://app:secret@db.example/app' })
 */
export async function migrate(
  options: MigrateOptions,
  source: SchemaSource = { migrations, commands },
): Promise<MigrateAnswer> {
  const { client, url, grantTo } = options
  if ((client === undefined) === (url === undefined)) throw invalid('it takes either url or client')
  if (grantTo !== undefined) readRole(grantTo)
  if (client !== undefined) {
    if ('totalCount' in client) throw invalid('client must be one connection, not a pool: await pool.connect()')
    const schema = readSchemaName(options.schema ?? defaultSchema)
    return runOn(client, schema, options, source).catch(async (error: unknown) => {
      // A connection of ours is closed instead, which does the same.
      await client.query('ROLLBACK').catch(() => {})
      throw error
    })
  }
  const address = readStoreUrl(url ?? '')
  const schema = readSchemaName(options.schema ?? address.schema ?? defaultSchema)
  return withConnection(address.connectionString, connection => runOn(connection, schema, options, source))
}

async function runOn(
  client: PostgresClient,
  schema: string,
  { dryRun = false, grantTo, onStatement = () => {} }: MigrateOptions,
  source: SchemaSource,
): Promise<MigrateAnswer> {
  try {
    await client.query(dryRun ? 'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY' : opening(schema))
    const { exists, from } = await look(client, schema, newestVersion(source.migrations))
    const statements = planMigration(source, { schema, exists, from, ...(grantTo === undefined ? {} : { grantTo }) })
    for (const statement of dryRun ? [] : statements) {
      onStatement(statement.name)
      await run(client, statement)
    }
    await client.query(dryRun ? 'ROLLBACK' : 'COMMIT')
    const script = writeScript(schema, statements)
    return { schema, from, to: newestVersion(source.migrations), statements, script }
  } catch (error) {
    throw explain(error, schema)
  }
}

/**
 * The isolation is said: under another default, what is read behind the lock would be older than the lock. Functions may
 * name others that come later in the alphabet, so their bodies are not looked at yet. Nothing without a schema is found,
 * so that nothing of ours lands in another. hashtext, because it is on every server, too old ones included.
 */
function opening(schema: string): string {
  return `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = '';
SET LOCAL check_function_bodies = off;
SET LOCAL client_min_messages = warning;
SET LOCAL statement_timeout = '10min';
SET LOCAL lock_timeout = '60s';
SELECT pg_advisory_xact_lock(hashtext('retrysafe migrate'), hashtext('${schema}'));
SET LOCAL lock_timeout = '5s';`
}

function writeScript(schema: string, statements: readonly SqlFile[]): string {
  const parts = statements.map(({ name, text }) => `-- ${name}\n${text}\n`)
  return [`${opening(schema)}\n`, ...parts, 'COMMIT;\n'].join('\n')
}

interface Found {
  readonly exists: boolean
  readonly from: number
}

interface Facts {
  readonly server: number
  readonly exists: boolean
  readonly inside: string | null
  readonly columns: string | null
  readonly role: string
  /** A role that owns the schema, and could not do what ours may anyway. */
  readonly stranger: string | null
}

/** @throws {RetrysafeError} `STORE_INCOMPATIBLE` */
async function look(client: PostgresClient, schema: string, ours: number): Promise<Found> {
  const { rows } = await client.query(whatIsThere, [schema])
  const facts = rows[0] as Facts
  requireServer(facts.server)
  // Its owner may put functions of its own in the place of ours, and one of ours runs with the rights of who migrates.
  if (facts.stranger !== null) {
    const state = `schema ${schema} belongs to ${facts.stranger}, and not to ${facts.role}`
    throw new RetrysafeError(
      'STORE_INCOMPATIBLE',
      `${state}: migrate as ${facts.stranger}, or name another with --schema`,
    )
  }
  if (facts.columns === 'version integer, applied_at_ms bigint') {
    const versions = await client.query(`SELECT max(version) AS version FROM ${quoteIdentifier(schema)}.migration`)
    const from = (versions.rows[0] as { version: number | null }).version ?? 0
    if (from > ours) throw tooNew(schema, from, ours)
    if (from > 0) return { exists: true, from }
  }
  if (facts.inside === null) return { exists: facts.exists, from: 0 }
  const state = `schema ${schema} already holds something else (${facts.inside.slice(0, 200)})`
  throw new RetrysafeError('STORE_INCOMPATIBLE', `${state}: name another one with --schema, or empty it`)
}

/** pg_depend names whatever stands in a schema, be it a table, a function, a type or an extension. */
const whatIsThere = `SELECT current_setting('server_version_num')::int AS server, n.oid IS NOT NULL AS "exists",
  current_user::text AS role,
  (SELECT o.rolname::text FROM pg_catalog.pg_roles o JOIN pg_catalog.pg_database d ON d.datname = current_database()
    WHERE o.oid = CASE pg_get_userbyid(n.nspowner) WHEN 'pg_database_owner' THEN d.datdba ELSE n.nspowner END
    AND NOT o.rolsuper AND NOT pg_has_role(o.oid, current_user, 'MEMBER')) AS stranger,
  (SELECT min(pg_describe_object(d.classid, d.objid, d.objsubid)) FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n') AS inside,
  (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = n.oid AND c.relname = 'migration' AND c.relkind = 'r'
    AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM (VALUES ($1::text)) AS asked (name) LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = asked.name`

/** Says which of the statements failed. */
async function run(client: PostgresClient, { name, text }: SqlFile): Promise<void> {
  try {
    await client.query(text)
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { message: `${name}: ${error.message}` }) : error
  }
}

function explain(error: unknown, schema: string): RetrysafeError {
  const code = codeOf(error)
  // Not the server's answer, or one that says it is going.
  if (error instanceof RetrysafeError || !/^(?!57P)\d[\dA-Z]{4}$/.test(code)) return storeError(error)
  const said = (error as Error).message.split('\n')[0] ?? ''
  return new RetrysafeError('STORE_UNAVAILABLE', `schema ${schema}: ${said}${adviceOn(code, schema)}`, { cause: error })
}

function adviceOn(code: string, schema: string): string {
  switch (code) {
    // insufficient_privilege
    case '42501':
      return `; run it as the owner of schema ${schema}, or as a role with CREATE on the database`
    // undefined_object
    case '42704':
      return '; create that role first'
    // lock_not_available
    case '55P03':
      return '; another migration or transaction is in the way: run it again when that has ended'
    // feature_not_supported: how a standby answers READ WRITE
    case '0A000':
      return '; if that is a standby, connect to the primary'
    // disk_full
    case '53100':
      return '; make room on its disk'
    default:
      return ''
  }
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `migrate: ${reason}`)
}
