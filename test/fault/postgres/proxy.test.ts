import { Client } from 'pg'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

const server = await startPostgres()
const proxy = await startTcpProxy(server)
const direct = await dial(server.url)
await direct.query('CREATE TABLE word (text text)')
beforeEach(() => direct.query('TRUNCATE word'))
afterAll(async () => {
  proxy.stop()
  await direct.end()
  await server.stop()
})

async function dial(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function words(): Promise<unknown> {
  return (await direct.query('SELECT text FROM word ORDER BY text')).rows.map(row => row.text)
}

/** Backends beside the one that asks. */
async function others(): Promise<unknown> {
  const text = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`
  return (await direct.query(text)).rows[0]?.n
}

describe('a TCP proxy before PostgreSQL', () => {
  test('cut in the middle of a command: it has no effect, and the client is told', async () => {
    const client = await dial(proxy.through(server.url))
    const cut = proxy.cutAfter('client', 20)
    const query = client.query(`INSERT INTO word VALUES ('half')`)
    await expect(query).rejects.toThrow(/ECONNRESET|Connection terminated unexpectedly/)
    await cut
    await eventually(others).toBe(0)
    expect(await words()).toEqual([])
  })

  test('cut before the answer: it has its effect, and the client does not know', async () => {
    const client = await dial(proxy.through(server.url))
    const cut = proxy.cutAfter('server', 0)
    const query = client.query(`INSERT INTO word VALUES ('done')`)
    await expect(query).rejects.toThrow('Connection terminated unexpectedly')
    await cut
    expect(await words()).toEqual(['done'])
  })

  test('cut in the middle of an answer: a row that came half is none', async () => {
    const client = await dial(proxy.through(server.url))
    const cut = proxy.cutAfter('server', 100)
    const query = client.query(`SELECT repeat('x', 1000) AS text`)
    await expect(query).rejects.toThrow('Connection terminated unexpectedly')
    await cut
    await eventually(others).toBe(0)
  })

  test('stalled, a command waits without an end; after it the answer arrives', async () => {
    const client = await dial(proxy.through(server.url))
    proxy.stall()
    let isAnswered = false
    const query = client.query(`INSERT INTO word VALUES ('late')`).then(() => {
      isAnswered = true
    })
    const impatient = new Client({ connectionString: proxy.through(server.url), connectionTimeoutMillis: 200 })
    await expect(impatient.connect()).rejects.toThrow('timeout expired')
    expect(isAnswered).toBe(false)
    expect(await words()).toEqual([])
    proxy.resume()
    await query
    expect(await words()).toEqual(['late'])
    await client.end()
  })
})
