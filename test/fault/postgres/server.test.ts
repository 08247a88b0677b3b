import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { startPostgres } from '../../support/postgres/server.ts'

const server = await startPostgres({ settings: { max_connections: 20 } })
afterAll(() => server.stop())

async function ask(url: string, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query(text)
    return Object.values(rows[0] ?? {})[0]
  } finally {
    await client.end()
  }
}

describe('a private PostgreSQL server', () => {
  test('has the settings that were asked for, and fsync', async () => {
    expect(await ask(server.url, 'SHOW max_connections')).toBe('20')
    expect(await ask(server.url, 'SHOW fsync')).toBe('on')
    expect(await ask(server.url, 'SHOW listen_addresses')).toBe('127.0.0.1')
    expect(await ask(server.url, 'SHOW server_encoding')).toBe('UTF8')
  })

  test('listens on its Unix socket too', async () => {
    const url = `postgres://postgres@/postgres?host=${server.socketFolder}&port=${server.port}`
    expect(await ask(url, 'SELECT inet_client_addr() IS NULL')).toBe(true)
  })

  test('makes databases, several at once', async () => {
    const urls = await Promise.all([server.createDatabase(), server.createDatabase(), server.createDatabase('orders')])
    await ask(urls[0], 'CREATE TABLE mine (n int)')
    expect(await ask(urls[0], `SELECT count(*)::int FROM pg_tables WHERE tablename = 'mine'`)).toBe(1)
    expect(await ask(urls[1], `SELECT count(*)::int FROM pg_tables WHERE tablename = 'mine'`)).toBe(0)
    expect(await ask(urls[2], 'SELECT current_database()')).toBe('orders')
  })

  test('a kill breaks its connections; started again it has what was committed, and nothing else', async () => {
    const { pid, url, port } = server
    await ask(url, 'CREATE TABLE kept (n int)')
    await ask(url, 'INSERT INTO kept VALUES (1)')
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query('BEGIN')
    await client.query('INSERT INTO kept VALUES (2)')
    const broken = new Promise<Error>(resolve => client.once('error', resolve))

    await server.kill()
    expect((await broken).message).toBe('Connection terminated unexpectedly')
    expect(server.pid).toBeUndefined()
    await expect(ask(url, 'SELECT 1')).rejects.toThrow(`connect ECONNREFUSED 127.0.0.1:${port}`)

    await server.start()
    expect(server.port).toBe(port)
    expect(server.pid).not.toBe(pid)
    expect(await ask(url, 'SELECT array_agg(n)::text FROM kept')).toBe('{1}')
    expect(server.log()).toContain('database system was not properly shut down')
  })

  test('a restart is in order and keeps the data', async () => {
    await ask(server.url, 'CREATE TABLE more AS SELECT 7 AS n')
    const before = server.log().length
    await server.restart()
    expect(await ask(server.url, 'SELECT n FROM more')).toBe(7)
    expect(server.log().slice(before)).toContain('received fast shutdown request')
    expect(server.log().slice(before)).not.toContain('not properly shut down')
  })

  test('asks for its password where it has one', async () => {
    const guarded = await startPostgres({ password: 'p@ss/word' })
    try {
      expect(await ask(guarded.url, 'SELECT 1')).toBe(1)
      const wrong = guarded.url.replace('p%40ss%2Fword', 'guess')
      await expect(ask(wrong, 'SELECT 1')).rejects.toThrow('password authentication failed for user "postgres"')
    } finally {
      await guarded.stop()
    }
  })

  test('one that cannot start says why', async () => {
    const start = startPostgres({ settings: { shared_buffers: 'much' } })
    await expect(start).rejects.toThrow(/^postgres ended with 1; it wrote: .*invalid value.*"shared_buffers": "much"/s)
  })
})
