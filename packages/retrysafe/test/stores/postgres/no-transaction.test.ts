import { Client } from 'pg'
import { afterAll, expect, it } from 'vitest'
import { provideDatabase } from '../../../../../test/support/postgres/provided-database.ts'
import type { StoreKey } from '../../../src/engine/record.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { migrate, type PostgresTransaction, postgresInbox, postgresStore } from '../../../src/stores/postgres/index.ts'

const url = await provideDatabase()
await migrate({ url })
const store = postgresStore({ url })
const client = new Client({ connectionString: url })
await client.connect()
afterAll(async () => {
  await Promise.all([store.close(), client.end()])
})

/** As an ORM, or an older pg, has it: nothing but a way to send statements. */
const wrapped: PostgresTransaction = { query: (text, values) => client.query(text, values) }
const key = 'key' as StoreKey
const piece = { offsetBytes: 0, bytes: Buffer.from('outcome') }
const claim = await store.claim({
  key,
  raw: `1${'a'.repeat(43)}` as Fingerprint,
  owner: 'owner',
  leaseMs: 30_000,
  retentionMs: 60_000,
  onCrash: 'rerun',
  maxAttempts: 3,
  label: { operation: 'test', tenant: 'tenant00' },
})
if (claim.kind !== 'acquired') throw new Error(claim.kind)
const { token } = claim

it('without BEGIN nothing is completed, and no message is entered', async () => {
  const refused = { code: 'REQUEST_INVALID', message: 'the transaction: BEGIN was not sent on this client' }
  await expect(store.completeIn?.(wrapped, key, token, piece)).rejects.toMatchObject(refused)
  expect((await store.get(key))?.state).toBe('running')
  const message = { name: 'test', id: '1' }
  await expect(postgresInbox().receive(wrapped, message, async () => undefined)).rejects.toMatchObject(refused)
  expect((await client.query('SELECT FROM retrysafe.inbox')).rowCount).toBe(0)
})

it('after BEGIN it is', async () => {
  await client.query('BEGIN')
  await store.completeIn?.(wrapped, key, token, piece)
  expect((await store.get(key))?.state).toBe('running')
  await client.query('COMMIT')
  expect((await store.get(key))?.state).toBe('completed')
})
