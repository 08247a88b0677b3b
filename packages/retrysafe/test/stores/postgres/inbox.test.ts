import { Client, Pool } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import { postgresInbox } from '../../../src/stores/postgres/index.ts'
import { migrate } from '../../../src/stores/postgres/migrate.ts'

const url = await provideDatabase()
const pool = new Pool({ connectionString: url })
pool.on('error', () => {})
const inbox = postgresInbox()

beforeAll(async () => {
  await migrate({ url })
  await pool.query('CREATE TABLE effect (name text NOT NULL)')
})
afterAll(() => pool.end())

async function inTransaction<Value>(body: (client: Client) => Promise<Value>): Promise<Value> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('BEGIN')
    const value = await body(client)
    await client.query('COMMIT')
    return value
  } finally {
    await client.end()
  }
}

function receive(client: unknown, id: string, value = 'booked', name = 'invoices') {
  return inbox.receive(client, { name, id }, async () => {
    await (client as Client).query('INSERT INTO effect VALUES ($1)', [`${name} ${id}`])
    return Buffer.from(value)
  })
}

async function effects(id: string, name = 'invoices'): Promise<number> {
  const { rows } = await pool.query('SELECT count(*)::int AS count FROM effect WHERE name = $1', [`${name} ${id}`])
  return rows[0].count
}

it('runs the effect once, and gives later ones what it gave', async () => {
  const first = await inTransaction(client => receive(client, 'a'))
  expect(first).toEqual({ kind: 'done', value: Buffer.from('booked') })
  const second = await inTransaction(client => receive(client, 'a', 'again'))
  expect(second).toEqual({ kind: 'seen', value: Buffer.from('booked') })
  expect(await effects('a')).toBe(1)
})

it('knows the same id of another consumer as another message', async () => {
  await inTransaction(client => receive(client, 'b'))
  expect((await inTransaction(client => receive(client, 'b', 'x', 'mails'))).kind).toBe('done')
})

it('forgets what was rolled back', async () => {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('BEGIN')
  await receive(client, 'c')
  await client.query('ROLLBACK')
  await client.end()
  expect(await effects('c')).toBe(0)
  expect((await inTransaction(again => receive(again, 'c'))).kind).toBe('done')
  expect(await effects('c')).toBe(1)
})

it('does not count a message whose effect has thrown, even if the transaction is committed', async () => {
  await inTransaction(async client => {
    const failing = inbox.receive(client, { name: 'invoices', id: 'd' }, async () => {
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
  })
  expect((await inTransaction(client => receive(client, 'd'))).kind).toBe('done')
})

it('lets of ten transactions at once one run the effect', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => inTransaction(client => receive(client, 'e'))))
  expect(answers.filter(({ kind }) => kind === 'done')).toHaveLength(1)
  expect(answers.map(({ value }) => Buffer.from(value).toString())).toEqual(Array(10).fill('booked'))
  expect(await effects('e')).toBe(1)
})

it('remembers a message for its retention', async () => {
  const brief = (client: Client) =>
    inbox.receive(client, { name: 'invoices', id: 'f', retentionMs: 1 }, async () => undefined)
  expect(await inTransaction(brief)).toEqual({ kind: 'done', value: new Uint8Array(0) })
  await expect.poll(() => inTransaction(brief).then(({ kind }) => kind)).toBe('done')
})

it('refuses what is no transaction', async () => {
  const client = new Client({ connectionString: url })
  await client.connect()
  await expect(receive(client, 'g')).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
    message: 'the transaction: BEGIN was not sent on this client',
  })
  await client.end()
  await expect(receive(pool, 'g')).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
    message: 'the transaction: a pool is none: await pool.connect(), and BEGIN on that client',
  })
  await expect(receive({}, 'g')).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  expect(await effects('g')).toBe(0)
})

it('refuses a value over 1 MiB and leaves the message unseen', async () => {
  const large = (client: Client) =>
    inbox.receive(client, { name: 'invoices', id: 'h' }, async () => new Uint8Array(1_048_577))
  await inTransaction(client => expect(large(client)).rejects.toMatchObject({ code: 'REQUEST_INVALID' }))
  expect((await inTransaction(client => receive(client, 'h'))).kind).toBe('done')
})
