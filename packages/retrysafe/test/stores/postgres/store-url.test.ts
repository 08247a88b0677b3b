import { expect, it } from 'vitest'
import { RetrysafeError } from '../../../src/engine/errors.ts'
import { postgresStore } from '../../../src/stores/postgres/index.ts'
import { storeError } from '../../../src/stores/postgres/store-error.ts'
import { readStoreUrl } from '../../../src/stores/postgres/store-url.ts'

it('takes out what is ours and leaves the rest to the driver', () => {
  expect(
    readStoreUrl('postgres://u:p%40ss@db:5433/app?schema=idem&connections=3&timeout=2s&listen=pg:5432&sslmode=require'),
  ).toEqual({
    connectionString: 'postgres://u:p%40ss@db:5433/app?sslmode=require',
    schema: 'idem',
    maxConnections: 3,
    timeoutMs: 2_000,
    listenConnectionString: 'postgres://u:p%40ss@pg:5432/app?sslmode=require',
  })
  expect(readStoreUrl('postgresql://db/app?listen=off')).toEqual({
    connectionString: 'postgresql://db/app',
    listenConnectionString: false,
  })
  expect(readStoreUrl('postgres:///app?host=/run/postgresql').connectionString).toBe(
    'postgres:///app?host=%2Frun%2Fpostgresql',
  )
})

it.each([
  ['nonsense', 'it is no URL'],
  ['mysql://db/app', 'it does not begin with postgres://'],
  ['postgres:///app', 'it names no host'],
  ['postgres://db', 'it names no database: postgres://user@host:5432/DATABASE'],
  ['postgres://u:se%cret@db/app', 'a % in it is to be written %25'],
  ['postgres://db/app?connections=0', 'connections takes a whole number from 1 to 1000'],
  ['postgres://db/app?connections=many', 'connections takes a whole number from 1 to 1000'],
  ['postgres://db/app?timeout=5', 'timeout takes a duration from 100ms to 10m'],
  ['postgres://db/app?timeout=1ms', 'timeout takes a duration from 100ms to 10m'],
  ['postgres://db/app?listen=pg', 'listen takes HOST:PORT or off'],
  ['postgres://db/app?listen=pg:99999', 'listen takes HOST:PORT or off'],
  ['postgres://db/app?schema=a&schema=b', 'schema is given twice'],
  [
    'postgres://db/app?schem=a',
    'does not know schem; it takes schema, connections, timeout, listen, host, ssl, sslmode, sslrootcert, sslcert, sslkey, sslnegotiation, uselibpqcompat, application_name, options',
  ],
])('refuses %s', (url, reason) => {
  expect(() => readStoreUrl(url)).toThrow(new RetrysafeError('CONFIG_INVALID', `the store's URL: ${reason}`))
})

it('refuses a schema that PostgreSQL or we cannot name', () => {
  for (const schema of ['Robert', 'a b', '"', 'pg_x', 'x'.repeat(41), '']) {
    expect(() => readStoreUrl(`postgres://db/app?schema=${encodeURIComponent(schema)}`)).toThrow(/^schema /)
  }
})

it('never shows a password', () => {
  for (const url of [
    'postgres://u:secret@',
    'postgres://u:secret@db',
    'postgres://u:secret@db/x?timeout=secret',
    'secret',
  ]) {
    expect(() => readStoreUrl(url)).toThrow(/^(?!.*secret)/)
  }
})

it('takes a url or a pool, and numbers within their bounds', () => {
  const invalid = (options: Parameters<typeof postgresStore>[0]) =>
    expect(() => postgresStore(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  const pool = { query: async () => ({ rows: [] }), end: async () => {} }
  invalid({})
  invalid({ url: 'postgres://db/app', pool })
  invalid({ pool, schema: 'Bad' })
  invalid({ pool, maxConnections: 0 })
  invalid({ pool, timeoutMs: 1.5 })
  invalid({ pool, listenUrl: 'redis://x' })
})

it.each([
  ['53100', 'STORE_FULL'],
  ['42P01', 'STORE_INCOMPATIBLE'],
  ['42883', 'STORE_INCOMPATIBLE'],
  ['42501', 'STORE_UNAVAILABLE'],
  ['28P01', 'STORE_UNAVAILABLE'],
  ['3D000', 'STORE_UNAVAILABLE'],
  ['22003', 'REQUEST_INVALID'],
  ['54000', 'REQUEST_INVALID'],
  ['57P01', 'STORE_UNAVAILABLE'],
  ['ECONNREFUSED', 'STORE_UNAVAILABLE'],
  ['', 'STORE_UNAVAILABLE'],
])('tells what the code %s means', (code, ours) => {
  const error = storeError(Object.assign(new Error('what it said\nand more'), { code }))
  expect(error.code).toBe(ours)
  expect(error.message).toMatch(/^PostgreSQL .*what it said/)
  expect(error.message).not.toContain('and more')
})

it('says of a host with several addresses what one of them said', () => {
  const refused = Object.assign(new Error(''), { code: 'ECONNREFUSED' })
  expect(storeError(new AggregateError([refused])).message).toBe(
    "PostgreSQL is out of reach: ECONNREFUSED; start it, or correct host and port in the store's URL",
  )
})
