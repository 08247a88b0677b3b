import { Client, Pool } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import type { ClaimTerms } from '../../../src/engine/store.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { migrate, postgresStore, type Statement } from '../../../src/stores/postgres/index.ts'

const url = await provideDatabase()
await migrate({ url })

function terms(letter: string): ClaimTerms {
  const fingerprint = `1${letter.repeat(43)}` as Fingerprint
  return {
    key: 'contended' as StoreKey,
    raw: fingerprint,
    canonical: fingerprint,
    owner: `owner of ${letter}`,
    leaseMs: 30_000,
    retentionMs: 60_000,
    onCrash: 'rerun',
    maxAttempts: 3,
    label: { operation: 'test', tenant: 'tenant00' },
  }
}

it('who found a record locked learns nothing of the payload that took it then', async () => {
  const { key } = terms('a')
  const pool = new Pool({ connectionString: url })
  const other = postgresStore({ url })
  const holder = new Client({ connectionString: url })
  await holder.connect()
  // Open and blank: whatever payload comes next may have the key.
  const first = await other.claim({ ...terms('a'), owner: 'who failed' })
  if (first.kind !== 'acquired') throw new Error(first.kind)
  await other.release(key, first.token, { end: 'failed', cooldownMs: 0 })
  await holder.query('BEGIN; SELECT * FROM retrysafe.record FOR UPDATE')

  async function takeIt(): Promise<void> {
    await holder.query('COMMIT')
    const taken = await other.claim(terms('b'))
    if (taken.kind !== 'acquired') throw new Error(taken.kind)
    await other.append(key, taken.token, { offsetBytes: 0, bytes: Buffer.from('answer to b') })
  }
  let claims = 0
  let isTaken = false
  const store = postgresStore({
    pool: {
      end: async () => {},
      async query(statement: Statement) {
        const isClaim = statement.text.includes('.claim(')
        if (isClaim) claims++
        // Whatever it asks after its last claim, another payload is there first.
        if (!isClaim && claims > 0 && !isTaken) {
          isTaken = true
          await takeIt()
        }
        return pool.query(statement)
      },
    },
  })
  onTestFinished(async () => {
    await Promise.all([other.close(), store.close(), holder.end()])
    await pool.end()
  })

  const answer = await store.claim(terms('a'))
  if (answer.kind !== 'running') throw new Error(answer.kind)
  if (!isTaken) await takeIt()
  expect(await other.read(key, answer.fence, 0, 100)).toEqual({ kind: 'ended', state: 'running', cooldownMs: 0 })
})
