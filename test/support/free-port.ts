import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

const tries = 100

/**
 * A port of 127.0.0.1 that nobody listens on. It lies below those that systems give to outgoing connections (Linux:
 * 32768 and up, others: 49152 and up): a server that comes back to its port must not find a client there, and a client
 * that dials a server which is down must not, by chance, reach itself.
 */
export async function findFreePort(): Promise<number> {
  for (let count = 0; count < tries; count += 1) {
    const port = randomInt(15_000, 32_000)
    const server = createServer()
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      return port
    } catch {
      // Somebody else's.
    } finally {
      await new Promise(resolve => server.close(resolve))
    }
  }
  throw new Error(`found no free port from 15000 to 31999 in ${tries} tries`)
}

/** Starts something on a free port, and on another one if somebody takes that between the search and the start. */
export async function startOnFreePort<Started>(start: (port: number) => Promise<Started>): Promise<Started> {
  for (let triesLeft = 3; ; triesLeft -= 1) {
    try {
      return await start(await findFreePort())
    } catch (error) {
      if (triesLeft === 0 || !/address already in use|EADDRINUSE/i.test(String(error))) throw error
    }
  }
}
