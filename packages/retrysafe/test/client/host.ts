import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeEach } from 'vitest'

/** A request as the host got it. */
export interface Asked {
  readonly method: string
  /** With its query. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** Of the client: one for each connection. */
  readonly port: number | undefined
  /** Its connection is gone. */
  readonly left: Promise<void>
}

export type Answerer = (response: ServerResponse, asked: Asked) => void

/** A real server that says what a test has it say. */
export interface Host {
  readonly url: string
  /** All requests since the test began. */
  readonly asked: readonly Asked[]
  /** The next requests are answered so, one each; whatever comes after them is 418. */
  script(...answerers: Answerer[]): void
}

/** One for a file, to be called outside of tests. */
export async function openHost(): Promise<Host> {
  let asked: Asked[] = []
  let script: Answerer[] = []
  const server = createServer(async (request, response) => {
    // A client that goes while it sends is no failure of ours.
    request.on('error', () => {})
    const left = once(response, 'close').then(() => {})
    const pieces: Buffer[] = []
    const body = await request
      .forEach(piece => void pieces.push(piece))
      .then(
        () => Buffer.concat(pieces),
        () => undefined,
      )
    if (body === undefined) return
    const { method = '', url: target = '', headers } = request
    const one: Asked = { method, target, headers, body, port: request.socket.remotePort, left }
    asked.push(one)
    const answer = script.shift() ?? reply('beyond the script', {}, 418)
    answer(response, one)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    asked = []
    script = []
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get asked() {
      return asked
    },
    script(...answerers) {
      script = answerers
    },
  }
}

/** A whole answer. */
export function reply(body: string | Uint8Array, headers: Record<string, string> = {}, status = 200): Answerer {
  return response => void response.writeHead(status, headers).end(body)
}

/** The connection ends without an answer. */
export const cut: Answerer = response => void response.destroy()

/** Nothing ever comes. */
export const silence: Answerer = () => {}

/** Chunked; then the connection is cut. */
export function cutAfter(begin: string | Uint8Array, headers: Record<string, string> = {}): Answerer {
  return response => {
    response.writeHead(200, headers)
    response.write(begin, () => response.destroy())
  }
}
