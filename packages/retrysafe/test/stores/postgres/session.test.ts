import { Client, Pool } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import type { ClaimTerms, Store } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { migrate, postgresStore } from '../../../src/stores/postgres/index.ts'

const url = await provideDatabase()
await migrate({ url })

/** A store whose sessions begin with these settings, as a role's or a database's would be; sessions of its own, or not. */
function openStore(settings: string, isOwn: boolean): Store {
  const its = new URL(url)
  its.searchParams.set('options', `-c ${settings}`)
  const pool = new Pool({ connectionString: its.href })
  const store = isOwn ? postgresStore({ url: its.href }) : postgresStore({ pool })
  onTestFinished(async () => {
    await store.close()
    await pool.end()
  })
  return store
}

let count = 0
const newKeys = () => Array.from({ length: 8 }, () => `key-${++count}` as StoreKey)

function terms(key: StoreKey, letter: string): ClaimTerms {
  const raw = `1${letter.repeat(43)}` as Fingerprint
  const label = { operation: 'test', tenant: 'tenant00' }
  return {
    key,
    raw,
    owner: `owner of ${letter}`,
    leaseMs: 30_000,
    retentionMs: 60_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label,
  }
}

it.each([
  ['extra_float_digits=0', true],
  ['extra_float_digits=-15', true],
  ['array_nulls=off', true],
  ['bytea_output=escape', false],
  ['DateStyle=German', false],
  ['standard_conforming_strings=off', false],
])('under %s the token holds, and another payload is another payload', async (settings, isOwn) => {
  const store = openStore(settings, isOwn)
  const keys = newKeys()
  const claims = await Promise.all(keys.map(key => store.claim(terms(key, 'a'))))
  const bytes = Buffer.from([0, 39, 92, 255])
  const sealed = await Promise.all(
    claims.map((claim, at) => {
      if (claim.kind !== 'acquired') throw new Error(claim.kind)
      return store.complete(keys[at] as StoreKey, claim.token, { offsetBytes: 0, bytes })
    }),
  )
  expect(new Set(sealed)).toEqual(new Set(['ok']))
  const replays = await Promise.all(keys.map(key => store.claim(terms(key, 'a'))))
  expect(replays.map(replay => replay.kind === 'completed' && replay.log.bytes)).toEqual(keys.map(() => bytes))
  const others = await Promise.all(keys.map(key => store.claim(terms(key, 'b'))))
  expect(others.map(({ kind }) => kind)).toEqual(keys.map(() => 'mismatch'))
})

it.each(['extra_float_digits=0', 'array_nulls=off'])(
  'in sessions that are not its own it refuses %s',
  async settings => {
    const store = openStore(settings, false)
    await expect(store.now()).rejects.toMatchObject({ code: 'STORE_INCOMPATIBLE' })
  },
)

it('does not run what others have put beside the server’s own functions', async () => {
  const client = new Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query(`CREATE TABLE public.trap (name text);
    CREATE FUNCTION public.cardinality(bytea[]) RETURNS integer LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO public.trap VALUES (current_user); RETURN pg_catalog.cardinality($1); END $$`)
  const store = openStore('search_path=public', true)
  const keys = newKeys()
  const claims = await Promise.all(keys.map(key => store.claim(terms(key, 'a'))))
  await Promise.all(
    claims.map((claim, at) => {
      if (claim.kind !== 'acquired') throw new Error(claim.kind)
      return store.append(keys[at] as StoreKey, claim.token, { offsetBytes: 0, bytes: Buffer.from('x') })
    }),
  )
  expect((await client.query('SELECT * FROM public.trap')).rows).toEqual([])
})
