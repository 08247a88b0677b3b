import { RetrysafeError } from '../../engine/errors.ts'
import { commands, migrations } from './embedded-sql.ts'
import { newestVersion, type SchemaSource } from './migration-plan.ts'
import { defaultSchema, quoteIdentifier } from './schema-name.ts'

/** Sends one statement; rejects with the server's own error. */
export type Query = (text: string, values: readonly unknown[]) => Promise<{ readonly rows: readonly unknown[] }>

/** The oldest server that the SQL is written for. */
const oldestServer = 14

/** What a server says of itself and of a schema, as far as it decides whether a store may work there. */
export interface SchemaFacts {
  readonly schema: string
  readonly role: string
  readonly database: string
  /** As PostgreSQL numbers itself: 150018 is 15.18. */
  readonly server: number
  readonly isolation: string
  readonly readOnly: boolean
  /** `extra_float_digits`: below 1 the server rounds numbers of 16 digits, which fences are. */
  readonly floatDigits: number
  /** `array_nulls`: off, NULL in an array is a text of four letters, the same canonical form for every payload. */
  readonly arrayNulls: boolean
  /** `null`: the schema was begun, and never finished. */
  readonly version: number | null
  /** Tables and functions of this version that are not there, in words; `null`: none. */
  readonly missing: string | null
}

/**
 * Looks whether this version of the library can work with `schema`: one statement, which changes nothing.
 *
 * @throws {RetrysafeError} `STORE_INCOMPATIBLE`: the schema is missing, incomplete, older or newer, the server is older
 * than 14, transactions are not READ COMMITTED by default, or values would not come through as they are; `STORE_UNAVAILABLE`: no rights, or a server that only reads.
 * Each says what to do. Any other error is the server's own
 */
export async function checkSchema(
  query: Query,
  schema: string,
  source: SchemaSource = { migrations, commands },
): Promise<void> {
  const { rows } = await query(question(schema), [
    schema,
    namesIn(source.migrations, /^CREATE TABLE retrysafe\.(\w+)/gm),
    namesIn(source.commands, /^CREATE OR REPLACE FUNCTION retrysafe\.(\w+)/gm),
  ]).catch((error: unknown) => {
    throw explain(error, schema)
  })
  judgeSchema({ schema, ...(rows[0] as Omit<SchemaFacts, 'schema'>) }, newestVersion(source.migrations))
}

/** What these facts come to for a library whose newest version of the schema is `ours`. */
export function judgeSchema(facts: SchemaFacts, ours: number): void {
  const { schema, role, database, isolation, version, missing } = facts
  requireServer(facts.server)
  if (version === null || missing !== null) throw incomplete(schema, missing ?? 'a version')
  if (version > ours) throw tooNew(schema, version, ours)
  if (version < ours) {
    const state = `schema ${schema} has version ${version}, and this version of Retrysafe needs ${ours}`
    throw incompatible(`${state}: ${adviceFor(schema)}`)
  }
  const require = (setting: string, found: string | number, needed: string, value = needed): void => {
    const set = `SET ${setting} = ${value}`
    const cure = `ALTER ROLE ${quoteIdentifier(role)} ${set}, or ALTER DATABASE ${quoteIdentifier(database)} ${set}`
    throw incompatible(`${setting} is ${found}; Retrysafe needs ${needed}: ${cure}`)
  }
  // Every step reads again after it has lost a race: under a snapshot it would see the same row for ever.
  if (isolation !== 'read committed')
    require('default_transaction_isolation', isolation, 'read committed', "'read committed'")
  if (facts.floatDigits < 1) require('extra_float_digits', facts.floatDigits, '1')
  if (!facts.arrayNulls) require('array_nulls', 'off', 'on')
  if (facts.readOnly) {
    const why = 'it is a standby, or default_transaction_read_only is on'
    throw new RetrysafeError('STORE_UNAVAILABLE', `the server takes no writes: ${why}; connect to the primary`)
  }
}

/** @throws {RetrysafeError} `STORE_INCOMPATIBLE` */
export function requireServer(version: number): void {
  const major = Math.floor(version / 10_000)
  if (major >= oldestServer) return
  throw incompatible(`PostgreSQL ${major} is too old: Retrysafe needs ${oldestServer} or newer`)
}

export function tooNew(schema: string, theirs: number, ours: number): RetrysafeError {
  const state = `schema ${schema} has version ${theirs}, and this version of Retrysafe knows ${ours} at most`
  return incompatible(`${state}: it is too old for the schema; install a newer one`)
}

function question(schema: string): string {
  return `SELECT current_user::text AS role, current_database()::text AS database,
  current_setting('server_version_num')::int AS server,
  current_setting('default_transaction_isolation') AS isolation,
  current_setting('transaction_read_only')::boolean AS "readOnly",
  current_setting('extra_float_digits')::int AS "floatDigits", current_setting('array_nulls')::boolean AS "arrayNulls",
  (SELECT max(version) FROM ${quoteIdentifier(schema)}.migration) AS version,
  (SELECT string_agg(what, ', ') FROM (
    SELECT 'table ' || name AS what FROM pg_catalog.unnest($2::text[]) AS name WHERE NOT EXISTS (
      SELECT FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace($1) AND relname = name)
    UNION ALL
    SELECT 'function ' || name FROM pg_catalog.unnest($3::text[]) AS name WHERE NOT EXISTS (
      SELECT FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace($1) AND proname = name)
  ) AS lacking) AS missing`
}

function namesIn(files: readonly { readonly text: string }[], pattern: RegExp): string[] {
  const names = files.flatMap(({ text }) => [...text.matchAll(pattern)].map(match => match[1] ?? ''))
  return [...new Set(names)]
}

function explain(error: unknown, schema: string): unknown {
  switch (Object(error).code) {
    // undefined_table: that of the migrations, or the schema itself
    case '42P01':
      return incomplete(schema, 'its tables')
    // insufficient_privilege
    case '42501': {
      const cure = `its owner runs \`${command(schema)} --grant-to ROLE\``
      return new RetrysafeError('STORE_UNAVAILABLE', `no right to use schema ${schema}: ${cure}`, { cause: error })
    }
    default:
      return error
  }
}

function incomplete(schema: string, missing: string): RetrysafeError {
  return incompatible(`schema ${schema} is missing, or lacks ${missing.slice(0, 200)}: ${adviceFor(schema)}`)
}

const adviceFor = (schema: string): string => `run \`${command(schema)}\``

function command(schema: string): string {
  return `retrysafe migrate --store URL${schema === defaultSchema ? '' : ` --schema ${schema}`}`
}

function incompatible(message: string): RetrysafeError {
  return new RetrysafeError('STORE_INCOMPATIBLE', message)
}
