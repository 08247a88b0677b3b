import { Client } from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startPostgres } from '../support/postgres/server.ts'
import { type Ended, type Environment, runProgram } from '../support/program.ts'

const server = await startPostgres({ password: 'hunter2' })
afterAll(() => server.stop())

const run = (args: readonly string[], environment: Environment = {}): Promise<Ended> =>
  runProgram(['migrate', ...args], environment)

/** One line on stderr for a person, nothing on stdout for a program, and the password in neither. */
function complaint({ stdout, stderr }: Ended): string {
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^retrysafe: [^\n]+\n$/)
  expect(stderr).not.toContain('hunter2')
  return stderr.trimEnd()
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

async function hasSchema(client: Client, schema: string): Promise<boolean> {
  return (await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])).rows.length > 0
}

/** The URL with another user, password, database or place in it. */
function changed(
  url: string,
  change: Partial<Pick<URL, 'username' | 'password' | 'pathname' | 'port' | 'hostname'>>,
): string {
  return Object.assign(new URL(url), change).href
}

describe('retrysafe migrate', () => {
  test('makes the store, says so in a line, and has nothing to make the second time', async () => {
    const url = await server.createDatabase()
    const made = await run(['--store', url])
    expect(made.stdout).toMatch(/^schema retrysafe from version 0 to 1: \d+ files of SQL ran\n$/)
    expect(made.stderr.split('\n')).toContain('retrysafe: migrations/0001.sql')
    expect(made.code).toBe(0)

    const again = await run([], { RETRYSAFE_STORE: url })
    expect(again.stdout).toMatch(/^schema retrysafe is at version 1 already: \d+ files of SQL ran\n$/)
    expect(again.code).toBe(0)
    const client = await connect(url)
    expect((await client.query('SELECT version FROM retrysafe.migration')).rows).toEqual([{ version: 1 }])
  })

  test('three at once: all succeed, one of them did it', async () => {
    const url = await server.createDatabase()
    const runs = await Promise.all([1, 2, 3].map(() => run(['--store', url, '--json'])))
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(runs.map(({ stdout }) => JSON.parse(stdout).from).sort()).toEqual([0, 1, 1])
  })

  test('--dry-run prints what psql would have to run, and changes nothing', async () => {
    const url = await server.createDatabase()
    const dry = await run(['--store', url, '--schema', 'other', '--dry-run'])
    expect(dry.code).toBe(0)
    expect(dry.stderr).toMatch(/^retrysafe: schema other from version 0 to 1: .* would run; nothing was changed\n$/)
    const client = await connect(url)
    expect(await hasSchema(client, 'other')).toBe(false)
    await client.query(dry.stdout)
    const after = await run(['--store', `${url}?schema=other`, '--dry-run', '--json'])
    expect(JSON.parse(after.stdout)).toMatchObject({ event: 'migrated', schema: 'other', from: 1, to: 1, dryRun: true })
  })

  test('--json is one line for a program; progress goes to stderr', async () => {
    const ended = await run(['--store', await server.createDatabase(), '--json'])
    expect(ended.stdout).toMatch(/^\{[^\n]+\}\n$/)
    const { statements, ...rest } = JSON.parse(ended.stdout)
    expect(rest).toEqual({ event: 'migrated', store: 'postgres', schema: 'retrysafe', from: 0, to: 1, dryRun: false })
    expect(statements.slice(0, 3)).toEqual(['create schema', 'create table migration', 'migrations/0001.sql'])
  })

  test('--grant-to: another role may use what it does not own', async () => {
    const url = await server.createDatabase()
    const owner = await connect(url)
    await owner.query("CREATE ROLE gateway LOGIN PASSWORD 'secret'")
    expect((await run(['--store', url, '--grant-to', 'gateway'])).code).toBe(0)
    const gateway = await connect(changed(url, { username: 'gateway', password: 'secret' }))
    expect((await gateway.query('SELECT count(*)::int AS count FROM retrysafe.record')).rows).toEqual([{ count: 0 }])
    await expect(gateway.query('DROP TABLE retrysafe.record')).rejects.toThrow('must be owner')
  })

  test.each(['lmdb:./somewhere', 'memory:'])('%s has nothing to migrate', async store => {
    const ended = await run(['--store', store])
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toBe(`${store.split(':')[0]}: nothing to migrate: that store makes what it needs\n`)
    expect(JSON.parse((await run(['--store', store, '--json'])).stdout)).toMatchObject({ statements: [] })
  })

  test('--help tells every flag', async () => {
    const help = await run(['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    for (const flag of ['--store', 'RETRYSAFE_STORE', '--schema', '--dry-run', '--grant-to', '--json']) {
      expect(help.stdout).toContain(flag)
    }
  })
})

describe('wrong usage is exit 2 and one line without the password', () => {
  test.each<[string, string[], RegExp]>([
    ['no store', [], /--store or RETRYSAFE_STORE is missing: it takes postgres:/],
    ['a store that is no URL', ['--store', 'hunter2'], /URL/],
    ['a port that is none', ['--store', 'postgres://user:hunter2@host:99999/app'], /URL/],
    ['another kind of store', ['--store', 'mysql://user:hunter2@host/app'], /postgres:\/\//],
    ['a password with a slash as it is', ['--store', 'postgres://user:hunter2/x@host/app'], /URL/],
    [
      'a schema that is none',
      ['--store', server.url, '--schema', 'Mine'],
      /"Mine": it takes 1 to 40 of a-z, 0-9 and _/,
    ],
    ['a role that is everybody', ['--store', server.url, '--grant-to', 'public'], /name of one role/],
    ['a certificate that is not there', ['--store', `${server.url}?sslrootcert=/nowhere/ca.pem`], /\/nowhere\/ca\.pem/],
    ['an unknown flag', ['--store', server.url, '--force'], /unknown option '--force'/],
  ])('%s', async (_, args, says) => {
    const ended = await run(args)
    expect(complaint(ended)).toMatch(says)
    expect(ended.code).toBe(2)
  })
})

describe('what does not work is exit 1 and one line that says what to do', () => {
  test.each<[string, () => string, RegExp]>([
    [
      'a refused password',
      () => changed(server.url, { password: 'no-hunter2' }),
      /refuses the role or its password.*look at/,
    ],
    ['no password', () => changed(server.url, { password: '' }), /put it into the store's URL/],
    ['an unknown role', () => changed(server.url, { username: 'nobody' }), /refuses the role or its password.*look at/],
    [
      'a database that is missing',
      () => changed(server.url, { pathname: '/nowhere' }),
      /"nowhere" does not exist\): create it/,
    ],
    ['nobody there', () => changed(server.url, { port: '9' }), /ECONNREFUSED 127\.0\.0\.1:9; start it, or correct/],
    ['a host that is none', () => changed(server.url, { hostname: 'no.invalid' }), /no\.invalid; start it, or correct/],
  ])('%s', async (_, url, says) => {
    const ended = await run(['--store', url()])
    expect(complaint(ended)).toMatch(says)
    expect(ended.code).toBe(1)
  })

  test('no rights', async () => {
    const url = await server.createDatabase()
    const owner = await connect(url)
    await owner.query("CREATE ROLE guest LOGIN PASSWORD 'hunter2'")
    const its = changed(url, { username: 'guest', password: 'hunter2' })
    const ended = await run(['--store', its, '--dry-run'])
    // Who only wants to read the SQL needs none.
    expect(ended.code).toBe(0)
    const refused = await run(['--store', its])
    expect(refused.stderr).toMatch(/permission denied for database .*; run it as the owner of schema retrysafe/)
    expect(refused.stderr).not.toContain('hunter2')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(await hasSchema(owner, 'retrysafe')).toBe(false)
  })

  test('a schema of a newer version, and one that is somebody else’s', async () => {
    const url = await server.createDatabase()
    const client = await connect(url)
    expect((await run(['--store', url])).code).toBe(0)
    await client.query('INSERT INTO retrysafe.migration VALUES (99, 0); CREATE SCHEMA app; CREATE TABLE app.users ()')
    const newer = await run(['--store', url])
    expect(complaint(newer)).toMatch(
      /schema retrysafe has version 99, and this version of Retrysafe knows 1 at most.*install a newer one/,
    )
    const theirs = await run(['--store', url, '--schema', 'app'])
    expect(complaint(theirs)).toMatch(/schema app already holds something else \(table app\.users\): name another one/)
    expect([newer.code, theirs.code]).toEqual([1, 1])
  })
})
