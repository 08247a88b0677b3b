import { Client } from 'pg'
import { afterAll, expect, it } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import { migrate } from '../../../src/stores/postgres/index.ts'

const url = await provideDatabase()
await migrate({ url })
const client = new Client({ connectionString: url })
await client.connect()
afterAll(() => client.end())

/** After a clock was set back: all fences of a process come from the last one that it saw. */
const lastFence = 8_000_000_000_000_000

async function claimMany(names: readonly string[]): Promise<Record<string, string>> {
  const columns = `ARRAY[${names.map(name => `'${name}'`)}]`
  const same = (value: string) => `array_fill(${value}, ARRAY[${names.length}])`
  const { rows } = await client.query(`SELECT ord, kind FROM retrysafe.claim_many(${columns}::bytea[],
    ${same(`'\\x01'::bytea`)}, ${same(`'\\x01'::bytea`)}, ${columns}::bytea[], ${same('30000')}, ${same('60000::bigint')},
    ${same(`'r'::"char"`)}, ${same('3::smallint')}, ${same(`'{}'::text`)}, ${lastFence}) ORDER BY ord`)
  return Object.fromEntries(rows.map(({ ord, kind }) => [names[ord - 1], kind]))
}

it('a claim that arrives again after its attempt has ended, beside new keys, does not run a second time', async () => {
  expect(await claimMany(['a', 'b', 'c'])).toEqual({ a: 'acquired', b: 'acquired', c: 'acquired' })
  await client.query(`SELECT retrysafe.complete('a', ${lastFence + 1}, 'a', 0, 'outcome', NULL, false)`)
  await client.query(`SELECT retrysafe.release('b', ${lastFence + 1}, 'b', 'failed', 5000, NULL)`)
  expect(await claimMany(['a', 'b', 'c', 'd'])).toEqual({ a: 'completed', b: 'cooling', c: 'acquired', d: 'acquired' })
})
