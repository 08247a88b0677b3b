import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startPgBouncer } from '../../../../../test/support/postgres/bouncer.ts'
import { startPostgres } from '../../../../../test/support/postgres/server.ts'
import { startTcpProxy } from '../../../../../test/support/tcp-proxy.ts'
import type { Finding } from '../../../src/stores/finding.ts'
import { examinePostgres } from '../../../src/stores/postgres/doctor/examination.ts'
import { migrate } from '../../../src/stores/postgres/migrate.ts'

const server = await startPostgres()
afterAll(() => server.stop())

/** A sound store in a database of its own, and a connection to it. */
async function makeStore(): Promise<{ url: string; run: (sql: string) => Promise<unknown> }> {
  const url = await server.createDatabase()
  await migrate({ url })
  const client = new Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  return { url, run: sql => client.query(sql) }
}

function withParameters(url: string, parameters: Readonly<Record<string, string>>): string {
  const changed = new URL(url)
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value)
  return changed.href
}

function as(url: string, role: string): string {
  return Object.assign(new URL(url), { username: role }).href
}

function findingOf(findings: readonly Finding[], check: string): Finding {
  const found = findings.filter(finding => finding.check === check)
  expect(found.map(finding => finding.check)).toEqual([check])
  return found[0] ?? { check, level: 'failed', says: '' }
}

/** Those that are not ok, by name. */
function levels(findings: readonly Finding[]): Record<string, string> {
  return Object.fromEntries(findings.filter(({ level }) => level !== 'ok').map(({ check, level }) => [check, level]))
}

const all = [
  'version',
  'writes',
  'isolation',
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'pooler',
  'connections',
  'notifications',
  'clock',
  'schema',
  'rights',
  'unlogged',
  'partitions',
  'vacuum',
]

test('a sound store: every check is there, and ok', async () => {
  const { url } = await makeStore()
  const findings = await examinePostgres({ url })
  expect(findings.map(({ check }) => check)).toEqual(all)
  expect(levels(findings)).toEqual({})
  expect(findingOf(findings, 'schema').says).toBe('schema retrysafe has version 1')
  expect(findingOf(findings, 'connections').says).toContain('up to 11 connections, this role may have 97')
  expect(findingOf(findings, 'notifications').says).toMatch(/^one arrived after \d+\.\d ms$/)
})

test('listen=off is meant so, and saves a connection', async () => {
  const { url } = await makeStore()
  const findings = await examinePostgres({ url: withParameters(url, { listen: 'off', connections: '4' }) })
  expect(levels(findings)).toEqual({})
  expect(findingOf(findings, 'notifications').says).toContain('off')
  expect(findingOf(findings, 'connections').says).toContain('up to 4 connections')
})

describe('a server that is set up wrong', () => {
  test('fsync, full_page_writes and synchronous_commit off, autovacuum off, three connections in all', async () => {
    const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', autovacuum: 'off' }
    const few = { max_connections: 8, superuser_reserved_connections: 2, max_wal_senders: 0 }
    const bad = await startPostgres({ settings: { ...settings, ...few } })
    onTestFinished(bad.stop)
    const url = await bad.createDatabase()
    await migrate({ url })
    const findings = await examinePostgres({ url })
    expect(levels(findings)).toEqual({
      fsync: 'failed',
      full_page_writes: 'warning',
      synchronous_commit: 'failed',
      connections: 'warning',
      vacuum: 'warning',
    })
    expect(findingOf(findings, 'fsync')).toMatchObject({ cure: 'fsync = on in postgresql.conf, then reload' })
    expect(findingOf(findings, 'synchronous_commit').says).toContain('up to three times 200ms before')
    expect(findingOf(findings, 'connections').says).toContain('up to 11 connections, this role may have 6')
    expect(findingOf(findings, 'vacuum').says).toContain('autovacuum is off')
  })

  test('a standby', async () => {
    const standby = await startPostgres()
    onTestFinished(standby.stop)
    const url = await standby.createDatabase()
    await migrate({ url })
    await standby.stop()
    writeFileSync(join(standby.socketFolder, 'data', 'standby.signal'), '')
    await standby.start()
    const findings = await examinePostgres({ url })
    expect(levels(findings)).toEqual({ writes: 'failed', notifications: 'warning' })
    expect(findingOf(findings, 'writes')).toMatchObject({ cure: 'name the primary in the URL' })
  })

  test('for one role only: isolation, synchronous_commit, read only, a limit of connections', async () => {
    const { url, run } = await makeStore()
    await run(`CREATE ROLE strange LOGIN CONNECTION LIMIT 9;
      ALTER ROLE strange SET default_transaction_isolation = 'repeatable read';
      ALTER ROLE strange SET synchronous_commit = 'off';
      ALTER ROLE strange SET default_transaction_read_only = on`)
    await migrate({ url, grantTo: 'strange' })
    const findings = await examinePostgres({ url: as(url, 'strange') })
    expect(levels(findings)).toEqual({
      writes: 'failed',
      isolation: 'failed',
      synchronous_commit: 'failed',
      connections: 'warning',
    })
    expect(findingOf(findings, 'isolation').cure).toMatch(
      /^ALTER ROLE "strange" SET default_transaction_isolation = 'read committed'/,
    )
    expect(findingOf(findings, 'connections').says).toContain('this role may have 9')
    // What the doctor says is the cure.
    for (const check of ['writes', 'isolation', 'synchronous_commit']) {
      await run(/^[^,;]+/.exec(findingOf(findings, check).cure ?? '')?.[0] ?? '')
    }
    expect(levels(await examinePostgres({ url: as(url, 'strange') }))).toEqual({ connections: 'warning' })
  })
})

describe('the schema', () => {
  test('that is missing, begun, older or newer', async () => {
    const url = await server.createDatabase()
    const missing = await examinePostgres({ url })
    expect(levels(missing)).toEqual({ schema: 'failed' })
    expect(findingOf(missing, 'schema').says).toBe(
      'schema retrysafe is missing, or lacks its tables: run `retrysafe migrate --store URL`',
    )
    const store = await makeStore()
    await store.run('UPDATE retrysafe.migration SET version = 99')
    const newer = findingOf(await examinePostgres({ url: store.url }), 'schema')
    expect(newer).toMatchObject({ level: 'failed' })
    expect(newer.says).toContain('has version 99, and this version of Retrysafe knows 1 at most')
    await store.run('UPDATE retrysafe.migration SET version = 0')
    expect(findingOf(await examinePostgres({ url: store.url }), 'schema').says).toContain('has version 0')
    await store.run('UPDATE retrysafe.migration SET version = 1; DROP FUNCTION retrysafe.step_get')
    expect(findingOf(await examinePostgres({ url: store.url }), 'schema').says).toContain('lacks function step_get')
  })

  test('of another name: by the URL, and by an option that beats it', async () => {
    const { url } = await makeStore()
    await migrate({ url, schema: 'other' })
    const named = await examinePostgres({ url: withParameters(url, { schema: 'nowhere' }), schema: 'other' })
    expect(findingOf(named, 'schema').says).toBe('schema other has version 1')
    const byUrl = await examinePostgres({ url: withParameters(url, { schema: 'nowhere' }) })
    expect(findingOf(byUrl, 'schema').says).toContain('schema nowhere is missing')
  })

  test('a role without rights, with a part of them, and with all', async () => {
    const { url, run } = await makeStore()
    await run('CREATE ROLE guest LOGIN')
    const none = findingOf(await examinePostgres({ url: as(url, 'guest') }), 'rights')
    expect(none.level).toBe('failed')
    expect(none.says).toContain('lacks USAGE on the schema; ')
    expect(none.cure).toContain('--grant-to ROLE')
    await migrate({ url, grantTo: 'guest' })
    expect(levels(await examinePostgres({ url: as(url, 'guest') }))).toEqual({})
    await run(`REVOKE UPDATE, DELETE ON retrysafe.record FROM guest;
      REVOKE EXECUTE ON FUNCTION retrysafe.sweep FROM guest, public`)
    const part = findingOf(await examinePostgres({ url: as(url, 'guest') }), 'rights')
    expect(part.says).toBe(
      'in schema retrysafe this role lacks UPDATE, DELETE on table record; EXECUTE on function sweep',
    )
  })

  test('UNLOGGED tables', async () => {
    const { url, run } = await makeStore()
    await run('ALTER TABLE retrysafe.record SET UNLOGGED; ALTER TABLE retrysafe.log_default SET UNLOGGED')
    const found = findingOf(await examinePostgres({ url }), 'unlogged')
    expect(found.level).toBe('failed')
    expect(found.says).toContain('log_default, record')
    await run(found.cure ?? '')
    expect(levels(await examinePostgres({ url }))).toEqual({})
  })

  test('partitions that are missing, and bytes that went astray; maintenance mends both', async () => {
    const { url, run } = await makeStore()
    await run(`DO $$ DECLARE t text; BEGIN
      FOR t IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'retrysafe.log'::regclass AND c.relname <> 'log_default' ORDER BY 1 OFFSET 2
      LOOP EXECUTE 'DROP TABLE retrysafe.' || t; END LOOP;
      INSERT INTO retrysafe.log VALUES (retrysafe.day_of(retrysafe.clock_ms()) + 2, '', 1, 0, 'x');
    END $$`)
    const found = findingOf(await examinePostgres({ url }), 'partitions')
    expect(found.level).toBe('warning')
    expect(found.says).toMatch(/^none for \d{8}, \d{8}: their bytes go to log_default; 1 rows wait in log_default/)
    await run('DO $$ BEGIN WHILE (SELECT created > 0 FROM retrysafe.maintain()) LOOP END LOOP; END $$')
    expect(levels(await examinePostgres({ url }))).toEqual({})
  })
})

describe('PgBouncer', () => {
  const modes = { transaction: 'ok', session: 'ok', statement: 'failed' } as const
  test.each(Object.entries(modes))('in %s mode is recognised: %s', async (poolMode, level) => {
    const bouncer = await startPgBouncer(server, { poolMode: poolMode as keyof typeof modes })
    onTestFinished(bouncer.stop)
    const { url } = await makeStore()
    const through = bouncer.through(url)
    const findings = await examinePostgres({ url: through })
    expect(findingOf(findings, 'pooler')).toMatchObject({ level, says: expect.stringContaining(`in ${poolMode} mode`) })
    const { pooler: _, ...rest } = levels(findings)
    expect(rest).toEqual({ notifications: 'warning' })
    expect(findings.map(({ check }) => check)).not.toContain('connections')

    const listen = `${server.host}:${server.port}`
    const direct = await examinePostgres({ url: withParameters(through, { listen }) })
    expect(findingOf(direct, 'notifications').says).toMatch(/^one arrived after/)
    const silent = await examinePostgres({ url: withParameters(through, { listen: 'off' }) })
    expect(findingOf(silent, 'notifications').level).toBe('ok')
  })

  test('round robin over several servers of its pool is transaction mode all the same', async () => {
    const settings = { server_round_robin: 1, min_pool_size: 3 }
    const bouncer = await startPgBouncer(server, { poolMode: 'transaction', settings })
    onTestFinished(bouncer.stop)
    const { url } = await makeStore()
    const findings = await examinePostgres({ url: bouncer.through(url) })
    expect(findingOf(findings, 'pooler').says).toBe('PgBouncer in transaction mode')
  })

  test('a session pool of one has no second connection to give', async () => {
    const bouncer = await startPgBouncer(server, { poolMode: 'session', poolSize: 1 })
    onTestFinished(bouncer.stop)
    const { url } = await makeStore()
    const findings = await examinePostgres({ url: withParameters(bouncer.through(url), { timeout: '300ms' }) })
    expect(findingOf(findings, 'pooler')).toMatchObject({ level: 'warning', cure: 'give its pool more connections' })
  })

  test('listen= that leads to another database hears nothing, and says so', async () => {
    const other = await startPostgres()
    onTestFinished(other.stop)
    const { url } = await makeStore()
    const database = new URL(url).pathname.slice(1)
    await other.createDatabase(database)
    const findings = await examinePostgres({ url: withParameters(url, { listen: `${other.host}:${other.port}` }) })
    expect(levels(findings)).toEqual({ notifications: 'warning' })
    expect(findingOf(findings, 'notifications').says).toContain('leads to another server or database')
  })
})

describe('a server out of reach is a finding, soon', () => {
  test('refused, unknown host, missing database, silent', async () => {
    const { url } = await makeStore()
    const line = await startTcpProxy(server)
    onTestFinished(line.stop)
    line.stall('server')
    const urls = {
      'is out of reach: connect ECONNREFUSED 127.0.0.1:9': Object.assign(new URL(url), { port: '9' }).href,
      'no.invalid': Object.assign(new URL(url), { hostname: 'no.invalid' }).href,
      'has no such database': Object.assign(new URL(url), { pathname: '/nowhere' }).href,
      'timeout expired': withParameters(line.through(url), { timeout: '400ms' }),
    }
    for (const [says, its] of Object.entries(urls)) {
      const startedMs = performance.now()
      const findings = await examinePostgres({ url: its })
      expect(levels(findings)).toEqual({ connection: 'failed' })
      expect(findings[0]?.says).toContain(says)
      expect(performance.now() - startedMs).toBeLessThan(6_000)
    }
  })

  test('one whose connection breaks in the middle: what was found before stays', async () => {
    const { url } = await makeStore()
    const line = await startTcpProxy(server)
    onTestFinished(line.stop)
    // What it needs to connect and to ask its first question.
    const cut = line.cutAfter('server', 1_500)
    const findings = await examinePostgres({ url: withParameters(line.through(url), { timeout: '1s' }) })
    await cut
    expect(levels(findings)).toMatchObject({ connection: 'failed' })
    expect(findings.length).toBeGreaterThan(1)
  })
})
