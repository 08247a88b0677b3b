import { Client } from 'pg'
import { afterAll, expect, test, vi } from 'vitest'
import { provideDatabase } from './provided-database.ts'
import { startPostgres } from './server.ts'

const named = await startPostgres()
// Hooks run backwards: the databases of the named server have been dropped by then.
afterAll(async () => {
  expect(await ask(named.url, `SELECT count(*)::int AS n FROM pg_database WHERE datname LIKE 'test_%'`)).toBe(0)
  await named.stop()
})

async function ask(url: string, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows[0]?.n
  } finally {
    await client.end()
  }
}

vi.stubEnv('RETRYSAFE_TEST_POSTGRES_URL', named.url)
const onNamed = [await provideDatabase(), await provideDatabase()]
vi.stubEnv('RETRYSAFE_TEST_POSTGRES_URL', 'postgres://postgres@127.0.0.1:1/postgres')
const refused = await provideDatabase().catch((error: Error) => error.message)
vi.stubEnv('RETRYSAFE_TEST_POSTGRES_URL', '')
const onOwn = [await provideDatabase(), await provideDatabase()]

test('a database is on the server that the variable names', async () => {
  expect(onNamed.map(url => Number(new URL(url).port))).toEqual([named.port, named.port])
  expect(await ask(named.url, `SELECT count(*)::int AS n FROM pg_database WHERE datname LIKE 'test_%'`)).toBe(2)
})

test('one that cannot be used says so', () => {
  expect(refused).toBe('the server of RETRYSAFE_TEST_POSTGRES_URL cannot be used: connect ECONNREFUSED 127.0.0.1:1')
})

test('without the variable it is on a server of the file, which they share', async () => {
  const ports = new Set(onOwn.map(url => new URL(url).port))
  expect(ports.size).toBe(1)
  expect(ports.has(String(named.port))).toBe(false)
  expect(new Set(onOwn).size).toBe(2)
  for (const url of onOwn) expect(await ask(url, 'SELECT 1 AS n')).toBe(1)
})
