import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A client that says exactly what a test wants it to say, and tells how its connection ended. */
export interface RawClient {
  readonly socket: Socket
  /** Everything received so far, byte for byte as Latin-1. */
  text(): string
  /** `end`: closed in good order; `reset`: not. */
  readonly ended: Promise<'end' | 'reset'>
}

export async function openRaw(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  let received = ''
  let reset = false
  socket.on('data', bytes => {
    received += bytes.toString('latin1')
  })
  socket.on('error', () => {
    reset = true
  })
  const ended = new Promise<'end' | 'reset'>(resolve => socket.once('close', () => resolve(reset ? 'reset' : 'end')))
  return { socket, text: () => received, ended }
}

/** Says this and nothing more; the whole answer, once the other side has closed the connection. */
export async function sayRaw(url: string, bytes: string): Promise<string> {
  const client = await openRaw(url)
  client.socket.write(bytes, 'latin1')
  await client.ended
  return client.text()
}

/** A POST as it stands on the wire. */
export function rawPost(path: string, headers: Record<string, string>, body = '', version = '1.1'): string {
  const lines = Object.entries({ Host: 'gateway', 'Content-Length': String(body.length), ...headers })
  return `POST ${path} HTTP/${version}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}
