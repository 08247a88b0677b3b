import { Client, Pool } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startPgBouncer } from '../../../../../test/support/postgres/bouncer.ts'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import { commands, migrations } from '../../../src/stores/postgres/embedded-sql.ts'
import { type MigrateOptions, migrate } from '../../../src/stores/postgres/migrate.ts'
import type { SchemaSource } from '../../../src/stores/postgres/migration-plan.ts'
import { inSchema } from '../../../src/stores/postgres/schema-name.ts'

const url = await provideDatabase()
const snapshotUrl = await provideDatabase()

/** Two versions of a small schema: the second changes a table and a function, and adds one of each. */
const first: SchemaSource = {
  migrations: [
    { version: 1, name: 'migrations/0001.sql', text: 'CREATE TABLE retrysafe.thing (id integer PRIMARY KEY);' },
  ],
  commands: [answering('answer', 'SELECT 1')],
}
const second: SchemaSource = {
  migrations: [
    ...first.migrations,
    {
      version: 2,
      name: 'migrations/0002.sql',
      text: 'ALTER TABLE retrysafe.thing ADD COLUMN name text;\nCREATE TABLE retrysafe.other (id integer);\n',
    },
  ],
  // Its body names a function that comes later in the alphabet.
  commands: [answering('answer', 'SELECT retrysafe.two()'), answering('two', 'SELECT 2')],
}

function answering(name: string, body: string): { name: string; text: string } {
  const text = `CREATE OR REPLACE FUNCTION retrysafe.${name}() RETURNS integer LANGUAGE sql AS $$ ${body} $$;\n`
  return { name: `commands/${name}.sql`, text }
}

async function connect(to = url): Promise<Client> {
  const client = new Client({ connectionString: to })
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

async function one(client: Client, text: string): Promise<unknown> {
  const { rows } = await client.query({ text, rowMode: 'array' })
  return (rows[0] as unknown[] | undefined)?.[0]
}

/** Everything that a schema holds, in words; `undefined` when there is no such schema. */
async function contentsOf(client: Client, schema: string): Promise<string | null | undefined> {
  const text = `SELECT (SELECT string_agg(pg_describe_object(classid, objid, objsubid), E'\\n' ORDER BY objid)
    FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = n.oid)
    FROM pg_namespace n WHERE nspname = '${schema}'`
  return (await one(client, text)) as string | null | undefined
}

/** A role without any right, which may connect; answers its URL. */
async function createRole(owner: Client, role: string): Promise<string> {
  await owner.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
  onTestFinished(async () => {
    const client = await connectUntracked()
    await client.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    await client.end()
  })
  const its = new URL(url)
  its.username = role
  its.password = 'secret'
  return its.href
}

async function connectUntracked(): Promise<Client> {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}

const roleName = (name: string): string => `${name}_${process.pid}`

describe('what it does', () => {
  test('it makes a schema of the name that was asked for, once, and leads it on', async () => {
    const client = await connect()
    const names: string[] = []
    const fresh = await migrate({ url, schema: 'made', onStatement: name => names.push(name) }, first)
    expect(fresh).toMatchObject({ schema: 'made', from: 0, to: 1 })
    expect(names).toEqual(['create schema', 'create table migration', 'migrations/0001.sql', 'commands/answer.sql'])
    await client.query('INSERT INTO made.thing VALUES (7)')
    expect(await one(client, 'SELECT made.answer()')).toBe(1)

    const again = await migrate({ url, schema: 'made' }, first)
    expect(again).toMatchObject({ from: 1, to: 1, statements: [{ name: 'commands/answer.sql' }] })
    expect(await one(client, 'SELECT id FROM made.thing')).toBe(7)

    const next = await migrate({ url, schema: 'made' }, second)
    expect(next).toMatchObject({ from: 1, to: 2 })
    expect(next.statements.map(({ name }) => name)).toEqual([
      'migrations/0002.sql',
      'commands/answer.sql',
      'commands/two.sql',
    ])
    expect(await one(client, 'SELECT made.answer()')).toBe(2)
    expect((await client.query('SELECT version FROM made.migration ORDER BY 1')).rows).toEqual([
      { version: 1 },
      { version: 2 },
    ])
    const nowMs = Number(await one(client, 'SELECT extract(epoch FROM clock_timestamp()) * 1000'))
    const appliedMs = Number(await one(client, 'SELECT max(applied_at_ms) FROM made.migration'))
    expect(Math.abs(nowMs - appliedMs)).toBeLessThan(60_000)
  })

  test.each([1, 2])('many at once: one does it, the others find it done (from version %d)', async to => {
    const schema = `at_once_${to}`
    if (to === 2) await migrate({ url, schema }, first)
    const runs = Array.from({ length: 8 }, () => migrate({ url, schema }, to === 1 ? first : second))
    const found = (await Promise.all(runs)).map(({ from }) => from)
    expect(found.sort()).toEqual([to - 1, to, to, to, to, to, to, to])
    expect(await one(await connect(), `SELECT count(*)::int FROM ${schema}.migration`)).toBe(to)
  })

  test('many at once, where transactions take a snapshot by default', async () => {
    const client = await connect(snapshotUrl)
    const database = client.escapeIdentifier(String(await one(client, 'SELECT current_database()')))
    await client.query(`ALTER DATABASE ${database} SET default_transaction_isolation = 'serializable'`)
    const runs = Array.from({ length: 4 }, () => migrate({ url: snapshotUrl }, first))
    const found = (await Promise.all(runs)).map(({ from }) => from)
    expect(found.sort()).toEqual([0, 1, 1, 1])
  })

  test('many at once through PgBouncer in transaction mode', async () => {
    const { hostname: host, port, password } = new URL(url)
    const server = { host, port: Number(port), ...(password !== '' && { password: decodeURIComponent(password) }) }
    const bouncer = await startPgBouncer(server, { poolMode: 'transaction', poolSize: 3 })
    onTestFinished(() => bouncer.stop())
    const through = bouncer.through(url)
    const runs = Array.from({ length: 6 }, () => migrate({ url: through, schema: 'bounced' }, second))
    expect((await Promise.all(runs)).map(({ from }) => from).sort()).toEqual([0, 2, 2, 2, 2, 2])
    const client = await connect(through)
    expect(await one(client, 'SELECT bounced.answer()')).toBe(2)
    // What was set was set for the transactions alone.
    expect(await one(client, "SELECT current_setting('lock_timeout')")).toBe('0')
    expect(await one(client, "SELECT current_setting('search_path')")).toContain('public')
  })

  test.each(['user', 'select', '_', 'a23456789_123456789_123456789_123456789_'])(
    'a schema may be called %s',
    async schema => {
      await migrate({ url, schema }, second)
      expect(await one(await connect(), `SELECT "${schema}".answer()`)).toBe(2)
    },
  )

  test('the URL names the schema, too; an option beats it', async () => {
    const named = new URL(url)
    named.searchParams.set('schema', 'of_url')
    expect((await migrate({ url: named.href }, first)).schema).toBe('of_url')
    expect((await migrate({ url: named.href, schema: 'of_option' }, first)).schema).toBe('of_option')
  })

  test('a connection of the caller stays open, and keeps its settings', async () => {
    const client = await connect()
    await migrate({ client, schema: 'mine' }, first)
    expect(await one(client, 'SELECT mine.answer()')).toBe(1)
    expect(await one(client, "SELECT current_setting('check_function_bodies')")).toBe('on')
    await expect(migrate({ client, schema: 'mine' }, { ...second, migrations: [] })).rejects.toThrow('too old')
    expect(await one(client, 'SELECT mine.answer()')).toBe(1)
  })
})

describe('a dry run', () => {
  test('changes nothing, and gives the text that psql would have to run', async () => {
    const client = await connect()
    const dry = await migrate({ url, schema: 'dry', dryRun: true }, second)
    expect(dry).toMatchObject({ from: 0, to: 2 })
    expect(await contentsOf(client, 'dry')).toBeUndefined()

    await client.query(dry.script)
    expect(await one(client, 'SELECT dry.answer()')).toBe(2)
    const again = await migrate({ url, schema: 'dry', dryRun: true }, second)
    expect(again).toMatchObject({
      from: 2,
      to: 2,
      statements: [{ name: 'commands/answer.sql' }, { name: 'commands/two.sql' }],
    })
  })

  test('leaves an older schema as it is', async () => {
    const client = await connect()
    await migrate({ url, schema: 'dry_older' }, first)
    const before = await contentsOf(client, 'dry_older')
    expect(await migrate({ url, schema: 'dry_older', dryRun: true }, second)).toMatchObject({ from: 1, to: 2 })
    expect(await contentsOf(client, 'dry_older')).toBe(before)
    expect(await one(client, 'SELECT dry_older.answer()')).toBe(1)
  })
})

describe('what it refuses, and leaves as it is', () => {
  test.each([false, true])('a schema of a newer version (dry run: %s)', async dryRun => {
    const client = await connect()
    const schema = `newer_${dryRun}`
    await migrate({ url, schema }, second)
    const refusal = migrate({ url, schema, dryRun }, first)
    await expect(refusal).rejects.toMatchObject({ code: 'STORE_INCOMPATIBLE' })
    await expect(refusal).rejects.toThrow(
      `schema ${schema} has version 2, and this version of Retrysafe knows 1 at most`,
    )
    expect(await one(client, `SELECT ${schema}.answer()`)).toBe(2)
  })

  test.each([
    ['a table', 'CREATE TABLE theirs_1.users (id integer)', 'theirs_1.users'],
    ['a function', 'CREATE FUNCTION theirs_2.f() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$', 'theirs_2.f'],
    ['a type', "CREATE TYPE theirs_3.mood AS ENUM ('good')", 'theirs_3.mood'],
    ['migrations of its own', 'CREATE TABLE theirs_4.migration (name text)', 'theirs_4.migration'],
  ])('a schema in which somebody else has %s', async (_, statement, named) => {
    const client = await connect()
    const [schema = ''] = named.split('.')
    await client.query(`CREATE SCHEMA ${schema}; ${statement}`)
    const before = await contentsOf(client, schema)
    for (const dryRun of [false, true]) {
      const refusal = migrate({ url, schema, dryRun }, first)
      await expect(refusal).rejects.toMatchObject({ code: 'STORE_INCOMPATIBLE' })
      await expect(refusal).rejects.toThrow(`schema ${schema} already holds something else`)
      await expect(refusal).rejects.toThrow(named)
    }
    expect(await contentsOf(client, schema)).toBe(before)
  })

  test.each<[string, MigrateOptions, RegExp]>([
    ['no place', {}, /either url or client/],
    ['a URL that is none', { url: 'somewhere' }, /URL/],
    ['a schema that is none', { url, schema: 'Mine' }, /"Mine": it takes 1 to 40 of a-z, 0-9 and _/],
    ['a schema that is too long', { url, schema: 'a'.repeat(41) }, /1 to 40/],
    ['a schema of PostgreSQL’s', { url, schema: 'pg_mine' }, /PostgreSQL’s own/],
    ['a schema that is SQL', { url, schema: 'a"; DROP TABLE b; --' }, /1 to 40/],
    ['everybody as a role', { url, grantTo: 'public' }, /one role/],
    ['a role that is too long', { url, grantTo: 'é'.repeat(32) }, /63 bytes/],
  ])('%s', async (_, options, message) => {
    const refusal = migrate(options, first)
    await expect(refusal).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(refusal).rejects.toThrow(message)
  })

  test('a pool, whose statements would go to several connections', async () => {
    const pool = new Pool({ connectionString: url })
    onTestFinished(() => pool.end())
    await expect(migrate({ client: pool, schema: 'pooled' }, first)).rejects.toThrow('not a pool: await pool.connect()')
    const client = await pool.connect()
    expect(await migrate({ client, schema: 'pooled' }, first)).toMatchObject({ from: 0, to: 1 })
    client.release()
  })
})

describe('when it fails, nothing has changed', () => {
  test('a statement fails: its file is named', async () => {
    const broken = { ...second, commands: [...second.commands, { name: 'commands/z.sql', text: 'SELECT 1 / 0' }] }
    const failure = migrate({ url, schema: 'failed' }, broken)
    await expect(failure).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(failure).rejects.toThrow('schema failed: commands/z.sql: division by zero')
    expect(await contentsOf(await connect(), 'failed')).toBeUndefined()
  })

  test('what names no schema lands in none', async () => {
    const astray = {
      migrations: [{ version: 1, name: 'migrations/0001.sql', text: 'CREATE TABLE astray ();' }],
      commands: [],
    }
    await expect(migrate({ url, schema: 'strict' }, astray)).rejects.toThrow('no schema has been selected')
  })

  test('the connection is lost in the middle: run again, it is whole', async () => {
    const text = `${second.migrations[1]?.text}SELECT pg_terminate_backend(pg_backend_pid());`
    const lost = { ...second, migrations: [...first.migrations, { version: 2, name: 'migrations/0002.sql', text }] }
    await migrate({ url, schema: 'lost' }, first)
    await expect(migrate({ url, schema: 'lost' }, lost)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await one(await connect(), 'SELECT lost.answer()')).toBe(1)
    expect(await migrate({ url, schema: 'lost' }, second)).toMatchObject({ from: 1, to: 2 })
  })

  test('somebody holds the table that is to be changed: it gives up after 5 s', async () => {
    const holder = await connect()
    await migrate({ url, schema: 'held' }, first)
    await holder.query('BEGIN; SELECT * FROM held.thing')
    const failure = migrate({ url, schema: 'held' }, second)
    await expect(failure).rejects.toThrow('another migration or transaction is in the way: run it again')
    await holder.query('COMMIT')
    expect(await migrate({ url, schema: 'held' }, second)).toMatchObject({ from: 1, to: 2 })
  })

  test('no right to make the schema: it says whose task it is', async () => {
    const owner = await connect()
    const its = await createRole(owner, roleName('guest'))
    const failure = migrate({ url: its, schema: 'forbidden' }, first)
    await expect(failure).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(failure).rejects.toThrow('run it as the owner of schema forbidden, or as a role with CREATE')
    // An empty schema that somebody made for it is enough.
    await owner.query(`CREATE SCHEMA given AUTHORIZATION ${roleName('guest')}`)
    expect(await migrate({ url: its, schema: 'given' }, first)).toMatchObject({ from: 0, to: 1 })
  })

  test('a schema that somebody else has made: its owner could act with the rights of who migrates', async () => {
    const owner = await connect()
    const role = roleName('guest')
    await createRole(owner, role)
    await owner.query(`CREATE SCHEMA trap AUTHORIZATION ${role}`)
    await expect(migrate({ url, schema: 'trap' }, first)).rejects.toMatchObject({
      code: 'STORE_INCOMPATIBLE',
      message: `schema trap belongs to ${role}, and not to postgres: migrate as ${role}, or name another with --schema`,
    })
    expect(await contentsOf(owner, 'trap')).toBeNull()
  })

  test.each(['nobody at all', 'it\'s; "odd"'])('a role that does not exist: %s', async grantTo => {
    await expect(migrate({ url, schema: 'no_role', grantTo }, first)).rejects.toThrow('create that role first')
    expect(await contentsOf(await connect(), 'no_role')).toBeUndefined()
  })
})

describe('the store’s own SQL', () => {
  test('a role that was granted it works with it without owning it, with what comes later, too', async () => {
    const owner = await connect()
    const role = roleName('gateway')
    const its = await connect(await createRole(owner, role))
    await migrate({ url, schema: 'granted' })
    await expect(its.query('SELECT granted.clock_ms()')).rejects.toThrow('permission denied for schema granted')
    await migrate({ url, schema: 'granted', grantTo: role })
    const claim = `SELECT kind FROM granted.claim('\\x01', '\\x02', '\\x02', '\\x03', 30000, 86400000, 'r', 3::smallint, '{}', 0)`
    expect(await one(its, claim)).toBe('acquired')
    expect(await one(its, 'SELECT created FROM granted.maintain(8)')).toBeGreaterThan(0)
    await expect(its.query('DROP TABLE granted.record')).rejects.toThrow('must be owner')
    await expect(its.query('CREATE TABLE granted.mine ()')).rejects.toThrow('permission denied')

    const later = {
      version: migrations.length + 1,
      name: 'migrations/later.sql',
      text: 'CREATE TABLE retrysafe.later (id integer);',
    }
    const counting = answering('counting', 'SELECT count(*)::int FROM retrysafe.later')
    await migrate({ url, schema: 'granted' }, { migrations: [...migrations, later], commands: [...commands, counting] })
    await its.query('INSERT INTO granted.later VALUES (1)')
    expect(await one(its, 'SELECT granted.counting()')).toBe(1)
  })

  test('every function names what is there: its body is looked at once all are made', async () => {
    const client = await connect()
    await migrate({ client, schema: 'sound' })
    for (const { name, text } of commands) {
      await expect(client.query(inSchema(text, 'sound')), name).resolves.toBeDefined()
    }
  })

  test('partitions are there from the first moment, and rows go into them', async () => {
    const client = await connect()
    await migrate({ client, schema: 'ahead' })
    const today = `current_date + 1`
    const where = `INSERT INTO ahead.log VALUES (${today}, '\\x01', 1, 0, '\\x02') RETURNING tableoid::regclass::text`
    expect(await one(client, where)).toMatch(/^ahead\.log_\d{8}$/)
  })

  test('on a store at work: partitions that cannot be made now are left to its own maintenance', async () => {
    const client = await connect()
    const holder = await connect()
    await migrate({ client, schema: 'busy' })
    const newest = "SELECT max(oid::regclass::text) FROM pg_class WHERE oid::regclass::text ~ '^busy\\.log_\\d{8}$'"
    const partition = await one(client, newest)
    await client.query(`DROP TABLE ${partition}`)
    await holder.query('BEGIN; SELECT * FROM busy.log_default')
    expect(await migrate({ client, schema: 'busy' })).toMatchObject({ from: migrations.length })
    expect(await one(client, newest)).not.toBe(partition)
    await holder.query('COMMIT')
    await migrate({ client, schema: 'busy' })
    expect(await one(client, newest)).toBe(partition)
  })
})
