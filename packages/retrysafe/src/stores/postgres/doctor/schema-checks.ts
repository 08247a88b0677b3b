import { RetrysafeError } from '../../../engine/errors.ts'
import { type Finding, fine, wrong } from '../../finding.ts'
import type { OwnClient } from '../connection.ts'
import { checkSchema } from '../schema-check.ts'
import { quoteIdentifier } from '../schema-name.ts'
import { judgePartitions } from './partition-check.ts'
import { judgeVacuum, type VacuumFacts } from './vacuum-check.ts'

/** Looks at the schema of a store and at what stands in it; nothing is changed. */
export async function examineSchema(client: OwnClient, schema: string, autovacuum: boolean): Promise<Finding[]> {
  const lacking = await readLackingRights(client, schema)
  if (lacking.length > 0) return [judgeRights(schema, lacking)]
  const version = await examineVersion(client, schema)
  if (version.level === 'failed') return [version]
  return [
    version,
    fine('rights', 'the role has all that the store needs'),
    await examineUnlogged(client, schema),
    await examinePartitions(client, schema),
    await examineVacuum(client, schema, autovacuum),
  ]
}

/** By the catalogues alone, which everybody may read. Partitions are reached through their parent's rights. */
async function readLackingRights(client: OwnClient, schema: string): Promise<string[]> {
  const { rows } = await client.query(
    `WITH n AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)
    SELECT 'USAGE on the schema' AS what FROM n WHERE NOT has_schema_privilege(n.oid, 'USAGE')
    UNION ALL
    SELECT string_agg(p, ', ') || ' on table ' || c.relname
    FROM n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid,
      unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (c.relname <> 'migration' OR p = 'SELECT')
      AND NOT has_table_privilege(c.oid, p)
    GROUP BY c.relname
    UNION ALL
    SELECT 'EXECUTE on function ' || f.proname FROM n JOIN pg_catalog.pg_proc f ON f.pronamespace = n.oid
    WHERE NOT has_function_privilege(f.oid, 'EXECUTE')`,
    [schema],
  )
  return rows.map(row => (row as { what: string }).what)
}

function judgeRights(schema: string, lacking: readonly string[]): Finding {
  const shown = lacking.slice(0, 3).join('; ')
  const more = lacking.length > 3 ? `, and ${lacking.length - 3} more` : ''
  const cure = `as the owner: retrysafe migrate --store URL --schema ${schema} --grant-to ROLE`
  return wrong('rights', `in schema ${schema} this role lacks ${shown}${more}`, cure)
}

/** Only of the schema: what the server may do wrong besides has findings of its own. */
async function examineVersion(client: OwnClient, schema: string): Promise<Finding> {
  let version: unknown
  const query = async (text: string, values: readonly unknown[]) => {
    const { rows } = await client.query(text, [...values])
    version = Reflect.get(Object(rows[0]), 'version')
    const elsewhere = { server: 140_000, isolation: 'read committed', readOnly: false }
    return { rows: rows.map(row => ({ ...Object(row), ...elsewhere })) }
  }
  try {
    await checkSchema(query, schema)
  } catch (error) {
    if (error instanceof RetrysafeError) return wrong('schema', error.message)
    throw error
  }
  return fine('schema', `schema ${schema} has version ${version}`)
}

async function examineUnlogged(client: OwnClient, schema: string): Promise<Finding> {
  const { rows } = await client.query(
    `SELECT relname AS name FROM pg_catalog.pg_class
    WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND relpersistence = 'u' ORDER BY relname`,
    [quoteIdentifier(schema)],
  )
  const names = rows.map(row => (row as { name: string }).name)
  if (names.length === 0) return fine('unlogged', 'every table survives a crash')
  const cure = names.map(name => `ALTER TABLE ${schema}.${quoteIdentifier(name)} SET LOGGED`).join('; ')
  return wrong('unlogged', `UNLOGGED, so emptied by a crash of the server: ${names.join(', ')}`, cure)
}

async function examinePartitions(client: OwnClient, schema: string): Promise<Finding> {
  const place = quoteIdentifier(schema)
  const { rows } = await client.query(
    `SELECT (SELECT coalesce(array_agg(c.relname::text), '{}')
      FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = '${place}.log'::regclass) AS names,
    ${place}.clock_ms()::float8 AS "nowMs",
    (SELECT count(*)::int FROM (SELECT FROM ${place}.log_default LIMIT 10000) AS astray) AS strays`,
  )
  const { names, nowMs, strays } = rows[0] as { names: string[]; nowMs: number; strays: number }
  return judgePartitions({ days: new Set(names.map(name => name.replace(/^log_/, ''))), nowMs, strays })
}

async function examineVacuum(client: OwnClient, schema: string, autovacuum: boolean): Promise<Finding> {
  const { rows } = await client.query(
    `SELECT n_live_tup::float8 AS live, n_dead_tup::float8 AS dead,
      n_tup_upd::float8 AS updates, n_tup_hot_upd::float8 AS "hotUpdates",
      extract(epoch FROM greatest(last_vacuum, last_autovacuum))::float8 * 1000 AS "vacuumedAtMs",
      pg_total_relation_size(relid)::float8 AS bytes
    FROM pg_catalog.pg_stat_all_tables WHERE relid = '${quoteIdentifier(schema)}.record'::regclass`,
  )
  return judgeVacuum({ ...(rows[0] as Omit<VacuumFacts, 'autovacuum'>), autovacuum })
}
