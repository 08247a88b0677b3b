import { RetrysafeError } from '../../engine/errors.ts'

/** The schema that holds a store whose user names none; in our SQL it stands for whichever the user named. */
export const defaultSchema = 'retrysafe'

/** A PostgreSQL role or schema has at most 63 bytes; what we derive from the schema's name needs a part of them. */
const validName = /^[a-z_][a-z0-9_]{0,39}$/

/**
 * A schema's name as the user gave it, if it may be one: `^[a-z_][a-z0-9_]{0,39}$`, and not of PostgreSQL's own.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`
 */
export function readSchemaName(name: string): string {
  if (!validName.test(name)) {
    throw invalid(name, 'it takes 1 to 40 of a-z, 0-9 and _, and does not begin with a digit')
  }
  if (name.startsWith('pg_') || name === 'information_schema') throw invalid(name, 'that name is PostgreSQL’s own')
  return name
}

/** `sql` of ours, for `schema`: wherever it says `retrysafe.`, in strings that become SQL, too. */
export function inSchema(sql: string, schema: string): string {
  return sql.replaceAll(/\bretrysafe\./g, `${quoteIdentifier(schema)}.`)
}

/** An identifier that means itself, whatever its letters; a word of SQL, too. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function invalid(name: string, reason: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', `schema ${JSON.stringify(name.slice(0, 80))}: ${reason}`)
}
