import { doubtful, type Finding, fine } from '../../finding.ts'
import { type OwnClient, withConnection } from '../connection.ts'
import { storeError } from '../store-error.ts'
import { isDirect } from './pooler-check.ts'

const check = 'notifications'
const channel = 'retrysafe doctor'
const withinMs = 2_000
const polling = 'who waits for a run in another process polls every 25 ms instead'
const cure = 'name PostgreSQL itself behind listen=HOST:PORT in the URL, or say listen=off'

/** Sends a notification the way the store does, and waits for it where the store does. */
export async function examineNotifications(
  client: OwnClient,
  listenConnectionString: string | undefined,
  patienceMs: number,
): Promise<Finding> {
  if (listenConnectionString === undefined) return fine(check, `off: ${polling}`)
  try {
    return await withConnection(listenConnectionString, listener => hear(client, listener), patienceMs)
  } catch (error) {
    return doubtful(check, `no connection that hears them: ${storeError(error).message}; ${polling}`, cure)
  }
}

async function hear(client: OwnClient, listener: OwnClient): Promise<Finding> {
  if (!(await isDirect(listener))) return doubtful(check, `PgBouncer passes none on: ${polling}`, cure)
  const token = `${process.pid} ${Math.random()}`
  let timer: NodeJS.Timeout | undefined
  const heard = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, withinMs, false)
    listener.on('notification', ({ payload }) => payload === token && resolve(true))
  })
  try {
    await listener.query(`LISTEN "${channel}"`)
    const sentMs = performance.now()
    await client.query('SELECT pg_notify($1, $2)', [channel, token])
    if (await heard) return fine(check, `one arrived after ${(performance.now() - sentMs).toFixed(1)} ms`)
  } finally {
    clearTimeout(timer)
  }
  const says = `none arrived within ${withinMs} ms: listen= leads to another server or database; ${polling}`
  return doubtful(check, says, cure)
}
