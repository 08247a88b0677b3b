import { RetrysafeError } from '../../src/engine/errors.ts'
import type { StoreKey, Token } from '../../src/engine/record.ts'
import type { LogPiece, Store } from '../../src/engine/store.ts'
import type { KitHarness, KitTransactions } from '../../src/store-testkit/index.ts'
import { memoryHarness } from './collecting-runner.ts'

/** What is written at the commit, or never. */
class Transaction {
  readonly effects: string[] = []
  readonly completions: { key: StoreKey; token: Token; piece: LogPiece }[] = []
}

/** What a broken one does wrong. */
export type TransactionFault =
  /** Completes at once, outside the transaction. */
  | 'completes at once'
  /** A lost record is no reason to roll back. */
  | 'commits the effect of a lost token'
  /** Effects are written as they come. */
  | 'writes effects at once'

/** The memory store with transactions that are committed in one go: the outcome first, since only it can fail. */
export function transactionalHarness(fault?: TransactionFault): KitHarness {
  const transactionsOf = new WeakMap<Store, KitTransactions>()
  return {
    ...memoryHarness(inner => {
      const { store, transactions } = withTransactions(inner, fault)
      transactionsOf.set(store, transactions)
      return store
    }),
    transactions(store) {
      const transactions = transactionsOf.get(store)
      if (transactions === undefined) throw new Error('this store is not of this harness')
      return transactions
    },
  }
}

function withTransactions(inner: Store, fault?: TransactionFault): { store: Store; transactions: KitTransactions } {
  const committed: string[] = []
  const forgives = fault === 'commits the effect of a lost token'

  async function completeIn(tx: unknown, key: StoreKey, token: Token, piece: LogPiece): Promise<void> {
    if (!(tx instanceof Transaction)) throw new TypeError('this is no transaction of this store')
    if (fault === 'completes at once') return void (await inner.complete(key, token, piece))
    const lengthBytes = (await inner.get(key))?.lengthBytes ?? 0
    // Nothing is added: only the token is asked.
    const mine = await inner.append(key, token, { offsetBytes: lengthBytes, bytes: new Uint8Array(0) })
    if (mine.kind === 'lost' && !forgives) throw lost(key)
    if (piece.offsetBytes > lengthBytes) throw new Error(`the log has ${lengthBytes} bytes`)
    tx.completions.push({ key, token, piece })
  }

  async function run(body: Parameters<KitTransactions['run']>[0]): Promise<void> {
    const tx = new Transaction()
    const effects = fault === 'writes effects at once' ? committed : tx.effects
    await body(tx, async name => void effects.push(name))
    for (const { key, token, piece } of tx.completions) {
      const answer = await inner.complete(key, token, piece)
      if (answer !== 'ok' && !forgives) throw lost(key)
    }
    committed.push(...tx.effects)
  }

  return {
    store: { ...inner, name: 'memory with transactions', traits: { ...inner.traits, transactional: true }, completeIn },
    transactions: { run, effects: async () => [...committed] },
  }
}

function lost(key: StoreKey): RetrysafeError {
  return new RetrysafeError('LEASE_LOST', `${key} is not this token's to complete any more`)
}
