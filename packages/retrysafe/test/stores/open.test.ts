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
