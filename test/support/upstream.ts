import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Gets each request, its body read, and how many there were with it. */
export type Answerer = (response: ServerResponse, request: IncomingMessage, count: number) => void

/** An upstream in this process that says exactly what a test wants it to say, byte for byte. */
export interface Upstream {
  readonly url: string
  /** Every request that has arrived since `answerWith`, in order. */
  readonly received: readonly IncomingMessage[]
  /** From now on it answers so, and counts from one. */
  answerWith(answer: Answerer): void
  stop(): void
}

export async function startUpstream(answer: Answerer): Promise<Upstream> {
  const received: IncomingMessage[] = []
  let answering = answer
  const server = createServer((request, response) => {
    const count = received.push(request)
    // A client that leaves early is part of many tests.
    response.on('error', () => {})
    request.resume().once('end', () => answering(response, request, count))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answerWith(next) {
      received.length = 0
      answering = next
    },
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
