import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import { commands, migrations } from '../../../src/stores/postgres/embedded-sql.ts'
import { migrate } from '../../../src/stores/postgres/migrate.ts'
import { newestVersion } from '../../../src/stores/postgres/migration-plan.ts'
import { checkSchema, judgeSchema, type SchemaFacts } from '../../../src/stores/postgres/schema-check.ts'

const url = await provideDatabase()
const ours = newestVersion(migrations)

async function connect(options?: string): Promise<Client> {
  const client = new Client({ connectionString: url, ...(options !== undefined && { options }) })
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

/** What the check says of a schema; `undefined` when it has nothing to say. */
async function complaintOf(client: Client, schema: string, source = { migrations, commands }): Promise<unknown> {
  const sent: string[] = []
  const query = (text: string, values: readonly unknown[]) => {
    sent.push(text)
    return client.query(text, [...values])
  }
  const complaint = await checkSchema(query, schema, source).catch((error: { code: string; message: string }) => {
    return `${error.code}: ${error.message}`
  })
  expect(sent).toHaveLength(1)
  return complaint
}

test('a schema of this version is in order', async () => {
  const client = await connect()
  await migrate({ client, schema: 'sound' })
  expect(await complaintOf(client, 'sound')).toBeUndefined()
})

describe('what is not there is to be migrated', () => {
  test('the default schema, and one of another name', async () => {
    const client = await connect()
    expect(await complaintOf(client, 'retrysafe')).toBe(
      'STORE_INCOMPATIBLE: schema retrysafe is missing, or lacks its tables: run `retrysafe migrate --store URL`',
    )
    await client.query('CREATE SCHEMA empty')
    expect(await complaintOf(client, 'empty')).toBe(
      'STORE_INCOMPATIBLE: schema empty is missing, or lacks its tables: run `retrysafe migrate --store URL --schema empty`',
    )
  })

  test.each([
    ['DROP TABLE halved.meta', 'lacks table meta:'],
    ['DROP FUNCTION halved.renew', 'lacks function renew:'],
    ['DELETE FROM halved.migration', 'lacks a version:'],
  ])('%s', async (statement, lacks) => {
    const client = await connect()
    await migrate({ client, schema: 'halved' })
    await client.query('BEGIN')
    await client.query(statement)
    expect(await complaintOf(client, 'halved')).toContain(lacks)
    await client.query('ROLLBACK')
    expect(await complaintOf(client, 'halved')).toBeUndefined()
  })
})

test('an older schema is to be migrated, for a newer one this version is too old; both numbers are said', async () => {
  const client = await connect()
  const later = { version: ours + 1, name: 'migrations/later.sql', text: 'SELECT 1;' }
  const newer = { migrations: [...migrations, later], commands }
  await migrate({ client, schema: 'versions' })
  expect(await complaintOf(client, 'versions', newer)).toBe(
    `STORE_INCOMPATIBLE: schema versions has version ${ours}, and this version of Retrysafe needs ${ours + 1}: run \`retrysafe migrate --store URL --schema versions\``,
  )
  await migrate({ client, schema: 'versions' }, newer)
  expect(await complaintOf(client, 'versions', newer)).toBeUndefined()
  expect(await complaintOf(client, 'versions')).toBe(
    `STORE_INCOMPATIBLE: schema versions has version ${ours + 1}, and this version of Retrysafe knows ${ours} at most: it is too old for the schema; install a newer one`,
  )
})

test.each(['repeatable read', 'serializable'])('transactions that are %s by default', async isolation => {
  await migrate({ url, schema: 'isolated' })
  const client = await connect(`-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`)
  const complaint = await complaintOf(client, 'isolated')
  expect(complaint).toContain(`STORE_INCOMPATIBLE: default_transaction_isolation is ${isolation}`)
  expect(complaint).toMatch(/ALTER ROLE "\w+" SET default_transaction_isolation = 'read committed'/)
  expect(complaint).toMatch(/ALTER DATABASE "\w+" SET default_transaction_isolation = 'read committed'/)
})

test.each([
  ['extra_float_digits=0', 'extra_float_digits is 0; Retrysafe needs 1:', 'SET extra_float_digits = 1'],
  ['array_nulls=off', 'array_nulls is off; Retrysafe needs on:', 'SET array_nulls = on'],
])('values would not come through as they are: %s', async (setting, says, cure) => {
  await migrate({ url, schema: 'garbled' })
  const complaint = await complaintOf(await connect(`-c ${setting}`), 'garbled')
  expect(complaint).toContain(`STORE_INCOMPATIBLE: ${says}`)
  expect(complaint).toContain(cure)
})

test('a server that takes no writes', async () => {
  await migrate({ url, schema: 'reading' })
  const client = await connect('-c default_transaction_read_only=on')
  expect(await complaintOf(client, 'reading')).toMatch(/^STORE_UNAVAILABLE: .*connect to the primary$/)
})

test('a role without rights is told who can give them', async () => {
  const owner = await connect()
  await migrate({ client: owner, schema: 'closed' })
  await owner.query(`CREATE ROLE visitor_${process.pid}; SET ROLE visitor_${process.pid}`)
  expect(await complaintOf(owner, 'closed')).toBe(
    'STORE_UNAVAILABLE: no right to use schema closed: its owner runs `retrysafe migrate --store URL --schema closed --grant-to ROLE`',
  )
  await owner.query(`RESET ROLE; DROP ROLE visitor_${process.pid}`)
})

test('an error of another kind stays what it is', async () => {
  const failure = Object.assign(new Error('gone'), { code: 'ECONNRESET' })
  await expect(checkSchema(() => Promise.reject(failure), 'any')).rejects.toBe(failure)
})

describe('by the server’s version', () => {
  const facts: SchemaFacts = {
    schema: 'retrysafe',
    role: 'app',
    database: 'app',
    server: 140_000,
    isolation: 'read committed',
    readOnly: false,
    floatDigits: 1,
    arrayNulls: true,
    version: 1,
    missing: null,
  }

  test.each([140_000, 150_018, 180_001])('%d is new enough', server => {
    expect(judgeSchema({ ...facts, server }, 1)).toBeUndefined()
  })

  test.each([
    [130_021, '13'],
    [90_624, '9'],
  ])('%d is too old', (server, named) => {
    const judge = (): void => judgeSchema({ ...facts, server }, 1)
    expect(judge).toThrow(`PostgreSQL ${named} is too old: Retrysafe needs 14 or newer`)
    expect(judge).toThrow(expect.objectContaining({ code: 'STORE_INCOMPATIBLE' }))
  })
})
