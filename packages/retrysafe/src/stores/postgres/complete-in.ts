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
    const transaction = await requireTransaction(tx, schema)
    await transaction.query(`SELECT ${schema}.complete_in(${places})`, pieceValues(request))
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

/** @throws {RetrysafeError} `REQUEST_INVALID` for what is no transaction */
export async function requireTransaction(tx: unknown, schema: string): Promise<PostgresTransaction> {
  const client = Object(tx) as Partial<PostgresTransaction> & { getTransactionStatus?: () => string | null }
  if (typeof client.query !== 'function') throw invalid('it takes a client of pg on which BEGIN was sent')
  // Its statements would go to several connections, each a transaction of its own.
  if ('totalCount' in client) throw invalid('a pool is none: await pool.connect(), and BEGIN on that client')
  const transaction = client as PostgresTransaction
  switch (client.getTransactionStatus?.()) {
    case 'I':
      throw notBegun()
    case undefined:
    case null:
      // An older driver, or something that passes statements on: the server takes this one in a transaction only.
      await transaction.query(`LOCK TABLE ${schema}.migration IN ACCESS SHARE MODE`, []).catch((error: unknown) => {
        // no_active_sql_transaction
        throw codeOf(error) === '25P01' ? notBegun() : error
      })
  }
  return transaction
}

function notBegun(): RetrysafeError {
  return invalid('BEGIN was not sent on this client')
}

function invalid(reason: string): RetrysafeError {
  return new RetrysafeError('REQUEST_INVALID', `the transaction: ${reason}`)
}
