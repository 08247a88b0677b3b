import { createClient, type OwnClient } from './connection.ts'
import { quoteIdentifier } from './schema-name.ts'

/** After a connection that broke, or could not be had. */
const againMs = 1_000
/** How long connecting may take, and the two statements after it. */
const answerMs = 5_000

/**
 * One connection of the process that hears what others tell. Where it cannot be had, polling does the same, later.
 */
export class Listener {
  readonly #connectionString: string
  readonly #channel: string
  readonly #hear: (payload: string) => void
  #client: OwnClient | undefined
  #timer: NodeJS.Timeout | undefined
  #isLive = false
  /** Behind PgBouncer a LISTEN would stay with a connection that is another's the next moment. */
  #isUseless = false
  #isClosed = false

  constructor(connectionString: string, channel: string, hear: (payload: string) => void) {
    this.#connectionString = connectionString
    this.#channel = channel
    this.#hear = hear
  }

  get isLive(): boolean {
    return this.#isLive
  }

  /** Connects, unless it is or will be; may be called at any time. */
  start(): void {
    if (this.#isClosed || this.#isUseless || this.#client !== undefined || this.#timer !== undefined) return
    const client = createClient(this.#connectionString, answerMs)
    this.#client = client
    client.on('error', () => this.#lose(client))
    client.on('end', () => this.#lose(client))
    client.on('notification', ({ payload }) => this.#hear(payload ?? ''))
    this.#listen(client).catch(() => this.#lose(client))
  }

  close(): void {
    this.#isClosed = true
    this.#isLive = false
    clearTimeout(this.#timer)
    const client = this.#client
    this.#client = undefined
    client?.end().catch(() => {})
  }

  async #listen(client: OwnClient): Promise<void> {
    await client.connect()
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    if (Reflect.get(Object(rows[0]), 'pid') !== client.processID) {
      this.#isUseless = true
      await client.end()
      return
    }
    await client.query(`LISTEN ${quoteIdentifier(this.#channel)}`)
    if (this.#client === client) this.#isLive = true
  }

  #lose(client: OwnClient): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#isLive = false
    client.end().catch(() => {})
    if (this.#isClosed || this.#isUseless) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.start()
    }, againMs).unref()
  }
}
