import { RetrysafeError } from '../../engine/errors.ts'
import { type PieceRequest, pieceValues } from './steps.ts'
import { codeOf } from './store-error.ts'

/** As much of a transaction as is needed of it: a client of `pg`, or anything that passes these two on to one. */
export interface PostgresTransaction {
  query(text: string, values: unknown[]): Promise<unknown>
}

/**
 * Completes a record inside the caller's transaction.
 *
 * @throws {RetrysafeError} `LEASE_LOST`: the server has failed the transaction too, so that it can only be rolled back;
 * `REQUEST_INVALID`: not a transaction, or bytes of the outcome are missing before these. Any other error is the
 * server's own, as the caller's transaction knows how to deal with it
 */
export async function completeInTransaction(tx: unknown, schema: string, request: PieceRequest): Promise<void> {
  const places = ['$1', '$2', '$3', '$4', '$5', '$6'].join(', ')
  try {
    await transactionOf(tx).query(`SELECT ${schema}.complete_in(${places})`, pieceValues(request))
  } catch (error) {
    switch (codeOf(error)) {
      case 'RS001': {
        const what = 'the record is not this attempt’s to complete any more: the transaction is rolled back'
        throw new RetrysafeError('LEASE_LOST', what, { cause: error })
      }
      case 'RS002': {
        const what = `the record’s log does not reach offset ${request.piece.offsetBytes}: append first`
        throw new RetrysafeError('REQUEST_INVALID', what, { cause: error })
      }
      default:
        throw error
    }
  }
}

/** @throws {RetrysafeError} `REQUEST_INVALID` for what is no transaction, as far as it can be seen */
export function transactionOf(tx: unknown): PostgresTransaction {
  const client = Object(tx) as Partial<PostgresTransaction> & { getTransactionStatus?: () => string | null }
  if (typeof client.query !== 'function') throw invalid('it takes a client of pg on which BEGIN was sent')
  // Its statements would go to several connections, each a transaction of its own.
  if ('totalCount' in client) throw invalid('a pool is none: await pool.connect(), and BEGIN on that client')
  if (client.getTransactionStatus?.() === 'I') throw invalid('BEGIN was not sent on this client')
  return client as PostgresTransaction
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('REQUEST_INVALID', `the transaction: ${reason}`)
}
