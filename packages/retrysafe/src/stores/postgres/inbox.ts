import { RetrysafeError } from '../../engine/errors.ts'
import { textName } from '../packed-names.ts'
import { requireTransaction } from './complete-in.ts'
import { defaultSchema, quoteIdentifier, readSchemaName } from './schema-name.ts'
import { asBuffer } from './steps.ts'

/** One message, as whoever sends it names it. */
export interface InboxMessage {
  /** Of the consumer: the same id means another message for another one. */
  readonly name: string
  readonly id: string
  /** How long it is remembered, in ms: longer than the message may be sent again. Default: 30 days. */
  readonly retentionMs?: number
}

/** What a message came to. `seen`: its effect was committed before; `value` is what was kept then. */
export type InboxAnswer = { kind: 'done'; value: Uint8Array } | { kind: 'seen'; value: Uint8Array }

export interface PostgresInbox {
  /**
   * Runs `effect` unless the message's effect has been committed before, and remembers the message in the same
   * transaction: the effect is there if and only if the message is. Of several transactions at once with one message
   * all wait for the first.
   *
   * @param tx a client of `pg` on which BEGIN was sent; the caller commits, or rolls back
   * @param effect what is to happen once, in `tx`; what it gives is kept (at most 1 MiB) and given to later ones
   * @throws what `effect` throws, and the server's own errors; the transaction is to be rolled back then
   * @example
   * await client.query('BEGIN')
   * const { kind, value } = await inbox.receive(client, { name: 'invoices', id: message.id }, async () => {
   *   await client.query('UPDATE accounts SET balance = balance - $1 WHERE id = $2', [message.amount, message.account])
   *   return Buffer.from('booked')
   * })
   * await client.query('COMMIT')
   */
  receive(tx: unknown, message: InboxMessage, effect: () => Promise<Uint8Array | undefined>): Promise<InboxAnswer>
}

const defaultRetentionMs = 2_592_000_000
const mostValueBytes = 1_048_576

/**
 * Remembers messages beside their effects, for records that live elsewhere: in Redis, say, while the effects are here.
 *
 * @param options `schema`: where `retrysafe migrate` made the tables; default `retrysafe`
 * @throws {RetrysafeError} `CONFIG_INVALID` for a name that no schema may have
 */
export function postgresInbox(options: { readonly schema?: string } = {}): PostgresInbox {
  const schema = quoteIdentifier(readSchemaName(options.schema ?? defaultSchema))
  return {
    async receive(tx, { name, id, retentionMs = defaultRetentionMs }, effect) {
      const transaction = await requireTransaction(tx, schema)
      const names = [textName(name), textName(id)]
      const enter = `SELECT * FROM ${schema}.inbox_enter($1, $2, $3)`
      const { rows } = (await transaction.query(enter, [...names, retentionMs])) as { rows: InboxRow[] }
      if (rows[0]?.is_new !== true) return { kind: 'seen', value: rows[0]?.value ?? Buffer.alloc(0) }
      try {
        const value = limited((await effect()) ?? new Uint8Array(0))
        await transaction.query(`SELECT ${schema}.inbox_keep($1, $2, $3)`, [...names, asBuffer(value)])
        return { kind: 'done', value }
      } catch (error) {
        // Should the caller commit all the same, the message must not count as done.
        await transaction.query(`SELECT ${schema}.inbox_leave($1, $2)`, names).catch(() => {})
        throw error
      }
    },
  }
}

interface InboxRow {
  readonly is_new: boolean
  readonly value: Buffer | null
}

function limited(value: Uint8Array): Uint8Array {
  if (value.byteLength <= mostValueBytes) return value
  const what = `what the effect gave: ${value.byteLength} bytes > ${mostValueBytes}; keep it elsewhere, and its place here`
  throw new RetrysafeError('REQUEST_INVALID', what)
}
