import { Pool } from 'pg'
import type { Schemas } from '../../../../../test/support/postgres/schemas.ts'
import type { Store } from '../../../src/engine/store.ts'
import type { KitHarness, KitTransactions } from '../../../src/store-testkit/index.ts'
import { postgresStore } from '../../../src/stores/postgres/index.ts'

/** Stores in schemas of one database, and transactions beside them. */
export function postgresHarness(schemas: Schemas, transactionUrl: string): Omit<KitHarness, 'pass' | 'maxPassMs'> {
  const urls = new WeakMap<Store, string>()
  const pool = new Pool({ connectionString: transactionUrl, max: 4, allowExitOnIdle: true })
  // The server ends with its file, before connections that nobody uses do.
  pool.on('error', () => {})

  function open(url: string, last: () => void): Store {
    const store = postgresStore({ url, maxConnections: 4 })
    const handle: Store = {
      ...store,
      async close() {
        await store.close()
        last()
      },
    }
    urls.set(handle, url)
    return handle
  }

  return {
    async open() {
      const url = await schemas.take()
      let isOpen = true
      return open(url, () => {
        if (isOpen) schemas.give(url)
        isOpen = false
      })
    },
    openAgain: async store => open(urls.get(store) ?? '', () => {}),
    transactions: () => transactionsOn(pool),
  }
}

function transactionsOn(pool: Pool): KitTransactions {
  const made = pool.query('CREATE TABLE IF NOT EXISTS public.effect (name text NOT NULL)').catch(() => {})
  return {
    async run(body) {
      await made
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await body(client, async name => void (await client.query('INSERT INTO public.effect VALUES ($1)', [name])))
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    async effects() {
      await made
      const { rows } = await pool.query<{ name: string }>('SELECT name FROM public.effect')
      return rows.map(({ name }) => name)
    },
  }
}
