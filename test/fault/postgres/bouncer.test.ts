import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { startPgBouncer } from '../../support/postgres/bouncer.ts'
import { startPostgres } from '../../support/postgres/server.ts'

const server = await startPostgres({ password: 'secret "quoted"' })
const stops = [() => server.stop()]
afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
})

async function dial(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function backendOf(client: Client): Promise<number> {
  return Number((await client.query('SELECT pg_backend_pid() AS pid')).rows[0]?.pid)
}

async function startBouncer(poolMode: 'transaction' | 'session' | 'statement', poolSize: number) {
  const bouncer = await startPgBouncer(server, { poolMode, poolSize })
  stops.push(() => bouncer.stop())
  return bouncer
}

describe('a PgBouncer', () => {
  test('in transaction mode gives two clients the same backend, and one of them alone while it is in a transaction', async () => {
    const bouncer = await startBouncer('transaction', 1)
    const url = bouncer.through(await server.createDatabase())
    const [one, other] = [await dial(url), await dial(url)]
    const backend = await backendOf(one)
    expect(await backendOf(other)).toBe(backend)

    await one.query('BEGIN')
    let isAnswered = false
    const waiting = backendOf(other).then(pid => {
      isAnswered = true
      return pid
    })
    expect(await backendOf(one)).toBe(backend)
    const waits = expect.objectContaining({ cl_waiting: 1, sv_active: 1, pool_mode: 'transaction' })
    await eventually(() => bouncer.show('POOLS')).toContainEqual(waits)
    expect(isAnswered).toBe(false)
    await one.query('COMMIT')
    expect(await waiting).toBe(backend)
    await Promise.all([one.end(), other.end()])
  })

  test('in session mode gives each client a backend of its own', async () => {
    const bouncer = await startBouncer('session', 2)
    const url = bouncer.through(await server.createDatabase())
    const [one, other] = [await dial(url), await dial(url)]
    expect(await backendOf(one)).not.toBe(await backendOf(other))
    await Promise.all([one.end(), other.end()])
  })

  test('in statement mode refuses a transaction', async () => {
    const bouncer = await startBouncer('statement', 1)
    const client = await dial(bouncer.through(await server.createDatabase()))
    await expect(client.query('BEGIN')).rejects.toThrow('transaction blocks not allowed in statement pooling mode')
    await client.end()
  })

  test('knows every user of the server, and asks for passwords', async () => {
    const bouncer = await startBouncer('transaction', 1)
    const database = await server.createDatabase()
    const owner = await dial(database)
    await owner.query(`CREATE ROLE clerk LOGIN PASSWORD 'of clerk'`)
    await owner.end()
    const url = new URL(bouncer.through(database))
    url.username = 'clerk'
    url.password = 'of clerk'
    const clerk = await dial(url.href)
    expect((await clerk.query('SELECT current_user AS name')).rows).toEqual([{ name: 'clerk' }])
    await clerk.end()
    url.password = 'guess'
    await expect(dial(url.href)).rejects.toThrow('SASL authentication failed')
  })

  test('comes back to its port, and finds a server that was killed and came back', async () => {
    const bouncer = await startBouncer('transaction', 1)
    const url = bouncer.through(await server.createDatabase())
    const first = await dial(url)
    const backend = await backendOf(first)
    await bouncer.stop()
    expect(bouncer.pid).toBeUndefined()
    await expect(dial(url)).rejects.toThrow('ECONNREFUSED')
    await bouncer.start()
    await server.kill()
    await server.start()
    const second = await dial(url)
    expect(await backendOf(second)).not.toBe(backend)
    await second.end()
  })
})
