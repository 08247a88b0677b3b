import { RetrysafeError } from '../../engine/errors.ts'
import { inSchema, quoteIdentifier } from './schema-name.ts'

/** A text of SQL and the file it comes from. */
export interface SqlFile {
  readonly name: string
  readonly text: string
}

/** What leads from the version before to `version`; runs once in a schema. */
export interface Migration extends SqlFile {
  readonly version: number
}

/** The SQL of one version of the library. */
export interface SchemaSource {
  /** By version, from 1, without a gap. */
  readonly migrations: readonly Migration[]
  /** Functions, each as CREATE OR REPLACE: made anew at every run. */
  readonly commands: readonly SqlFile[]
}

/** What a run is to do. */
export interface PlanTerms {
  readonly schema: string
  /** False: it is made. */
  readonly exists: boolean
  /** The schema's version; 0 when nothing of ours is in it. */
  readonly from: number
  /** A role that is to work with the schema without owning it. */
  readonly grantTo?: string
}

/** The version that these migrations lead to. */
export function newestVersion(migrations: readonly Migration[]): number {
  return migrations.at(-1)?.version ?? 0
}

/** The statements that lead a schema to the newest version, in their order; all for one transaction. */
export function planMigration({ migrations, commands }: SchemaSource, terms: PlanTerms): SqlFile[] {
  const { schema, exists, from, grantTo } = terms
  const plan: SqlFile[] = []
  if (!exists) plan.push({ name: 'create schema', text: `CREATE SCHEMA ${quoteIdentifier(schema)};` })
  if (from === 0) plan.push({ name: 'create table migration', text: inSchema(migrationTable, schema) })
  for (const { version, name, text } of migrations) {
    if (version <= from) continue
    plan.push({ name, text: inSchema(`${text.trimEnd()}\n${recordVersion(version)}`, schema) })
  }
  for (const { name, text } of commands) plan.push({ name, text: inSchema(text.trimEnd(), schema) })
  if (commands.some(({ name }) => name === 'commands/maintain.sql')) {
    plan.push({ name: 'make partitions', text: inSchema(makePartitions, schema) })
  }
  if (grantTo !== undefined) plan.push({ name: 'grant rights', text: grantRights(schema, grantTo) })
  return plan
}

const migrationTable = `CREATE TABLE retrysafe.migration (
  version       integer NOT NULL PRIMARY KEY,
  applied_at_ms bigint  NOT NULL
);`

/** A store at work may be in the way; its own maintenance then makes them. */
const makePartitions = `DO $$ BEGIN
  WHILE (SELECT created > 0 FROM retrysafe.maintain()) LOOP END LOOP;
EXCEPTION WHEN lock_not_available THEN NULL;
END $$;`

function recordVersion(version: number): string {
  const nowMs = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
  return `INSERT INTO retrysafe.migration (version, applied_at_ms) VALUES (${version}, ${nowMs});`
}

/** The default privileges are for what comes later: the partitions of other days, the functions of the next version. */
function grantRights(schema: string, grantTo: string): string {
  const place = `IN SCHEMA ${quoteIdentifier(schema)}`
  const role = quoteIdentifier(grantTo)
  const rows = 'SELECT, INSERT, UPDATE, DELETE'
  return `GRANT USAGE ON SCHEMA ${quoteIdentifier(schema)} TO ${role};
GRANT ${rows} ON ALL TABLES ${place} TO ${role};
REVOKE INSERT, UPDATE, DELETE ON ${quoteIdentifier(schema)}.migration FROM ${role};
GRANT EXECUTE ON ALL FUNCTIONS ${place} TO ${role};
ALTER DEFAULT PRIVILEGES ${place} GRANT ${rows} ON TABLES TO ${role};
ALTER DEFAULT PRIVILEGES ${place} GRANT EXECUTE ON FUNCTIONS TO ${role};`
}

/**
 * A role's name as the user gave it, if it may be one.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`
 */
export function readRole(role: string): string {
  const isOne = role !== '' && Buffer.byteLength(role) <= 63 && !role.includes('\0')
  // PostgreSQL takes these two for words even between quotes; the first one means everybody.
  if (isOne && role !== 'public' && role !== 'none') return role
  const shown = JSON.stringify(role.slice(0, 80))
  throw new RetrysafeError('CONFIG_INVALID', `role ${shown}: it takes the name of one role, at most 63 bytes`)
}
