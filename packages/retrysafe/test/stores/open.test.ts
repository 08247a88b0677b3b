import { describe, expect, it } from 'vitest'
import { RetrysafeError } from '../../src/engine/errors.ts'
import { openStore } from '../../src/stores/open.ts'
import { claimTerms, keyOf } from '../support/store-terms.ts'

async function refusalOf(url: string): Promise<RetrysafeError> {
  try {
    await openStore(url)
  } catch (error) {
    if (error instanceof RetrysafeError) return error
    throw error
  }
  throw new Error(`${url} was opened`)
}

describe('openStore', () => {
  it('opens memory, with its bounds', async () => {
    const store = await openStore('memory:?max-entries=1&max-bytes=64mb')
    expect(store.name).toBe('memory')
    await store.claim(claimTerms())
    await expect(store.claim(claimTerms({ key: keyOf('k2') }))).rejects.toMatchObject({ code: 'STORE_FULL' })
    const small = await openStore('memory:?max-bytes=1kb')
    await small.claim(claimTerms())
    await expect(small.claim(claimTerms({ key: keyOf('k2') }))).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect((await openStore('memory:')).name).toBe('memory')
  })

  it.each(['', 'memory', './data', 'memroy:', 'http://localhost', 'memory:./path', 'memory://host', '//memory:'])(
    'refuses %j',
    async url => {
      expect((await refusalOf(url)).code).toBe('CONFIG_INVALID')
    },
  )

  it.each([
    'memory:?max-entries=0',
    'memory:?max-entries=-1',
    'memory:?max-entries=',
    'memory:?max-entries=many',
    'memory:?max-entries=1.5',
    'memory:?max-bytes=0',
    'memory:?max-bytes=64xb',
  ])('refuses %s', async url => {
    const refusal = await refusalOf(url)
    expect(refusal.code).toBe('CONFIG_INVALID')
    expect(refusal.message).toMatch(/max-(entries|bytes) must be a positive number/)
  })

  it.each(['postgres', 'postgresql'])('opens %s, which connects with its first step', async scheme => {
    const store = await openStore(
      `${scheme}://user:hunter2@127.0.0.1:9/app?schema=s&connections=2&timeout=1s&listen=off`,
    )
    expect(store.name).toBe('postgres')
    await expect(store.now()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/^PostgreSQL is out of reach: connect ECONNREFUSED 127\.0\.0\.1:9; start it/),
    })
    await store.close()
  })

  it.each([
    ['no host', 'postgres:///app', /names no host|is no URL/],
    ['no database', 'postgres://user:hunter2@host:5432', /names no database/],
    ['no database behind a slash', 'postgres://user:hunter2@host:5432/', /names no database/],
    ['a port that is none', 'postgres://user:hunter2@host:99999/app', /is no URL/],
    ['a % that stands for nothing', 'postgres://user:hunter2%zz@host/app', /written %25/],
    ['no schema', 'postgres://user:hunter2@host/app?schema=', /schema "": it takes 1 to 40/],
    ['a schema in capitals', 'postgres://user:hunter2@host/app?schema=App', /schema "App": it takes 1 to 40/],
    ["a schema of PostgreSQL's own", 'postgres://user:hunter2@host/app?schema=pg_toast', /PostgreSQL’s own/],
    ['two schemas', 'postgres://user:hunter2@host/app?schema=a&schema=b', /schema is given twice/],
    [
      'no connections',
      'postgres://user:hunter2@host/app?connections=0',
      /connections takes a whole number from 1 to 1000/,
    ],
    ['too many connections', 'postgres://user:hunter2@host/app?connections=1001', /connections takes/],
    ['connections that are no number', 'postgres://user:hunter2@host/app?connections=ten', /connections takes/],
    [
      'a time-out too short',
      'postgres://user:hunter2@host/app?timeout=99ms',
      /timeout takes a duration from 100ms to 10m/,
    ],
    ['a time-out too long', 'postgres://user:hunter2@host/app?timeout=11m', /timeout takes/],
    ['a time-out without a unit', 'postgres://user:hunter2@host/app?timeout=5', /timeout takes/],
    ['nowhere to listen', 'postgres://user:hunter2@host/app?listen=', /listen takes HOST:PORT or off/],
    ['no port to listen on', 'postgres://user:hunter2@host/app?listen=host', /listen takes HOST:PORT or off/],
    ['a port to listen on that is none', 'postgres://user:hunter2@host/app?listen=host:65536', /listen takes/],
  ])('refuses a PostgreSQL with %s, and shows no password', async (_, url, says) => {
    const refusal = await refusalOf(url)
    expect(refusal.code).toBe('CONFIG_INVALID')
    expect(refusal.message).toMatch(says)
    expect(refusal.message).not.toContain('hunter2')
  })

  it.each(['memory:?max-entrys=5', 'memory:?max-entrys=many', 'memory:?colour=red'])(
    'names the parameter it does not know in %s',
    async url => {
      expect((await refusalOf(url)).message).toContain('does not know')
    },
  )

  it.each([
    'nostore://user:hunter2@host:6379/0',
    'nostore://:hunter2@host:6379/0',
    'nostore://user:p@hunter2@host',
    'nostore://user:p/hunter2@host',
    'nostore://user:p?hunter2@host',
    'nostore://user:p#hunter2@host',
    'nostore:user:hunter2@host',
    'nostore://host/db?user=u&password=hunter2',
    'user:hunter2@host:6379',
    ' nostore://user:hunter2@host:99999999',
  ])('shows no password of %s', async url => {
    const refusal = await refusalOf(url)
    expect(refusal.code).toBe('CONFIG_INVALID')
    expect(refusal.message).not.toContain('hunter2')
  })
})
