import { readFileSync } from 'node:fs'
import { createClient } from 'redis'

/** Files in PEM. */
export interface TlsFiles {
  /** The certificate of the authority that signed the server's: what a client has to trust. */
  readonly ca: string
  /** A certificate and its key: the server's, and good for a client too where the server asks for one. */
  readonly cert: string
  readonly key: string
}

const withinMs = 15_000

/** Sends one command over a connection of its own, which is gone afterwards; answers what the server does, in RESP2. */
export async function execute(url: string, command: readonly string[], tls?: TlsFiles): Promise<unknown> {
  const files = tls && { tls: true as const, ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) }
  const client = createClient({ url, RESP: 2, socket: { ...files, reconnectStrategy: false, socketTimeout: withinMs } })
  // Whoever sends the command hears of the error too.
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand([...command])
  } finally {
    client.destroy()
  }
}

function read(file: string): string {
  return readFileSync(file, 'utf8')
}
