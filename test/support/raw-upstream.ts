import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** Gets the connection of each request that has arrived whole, and how many there were with it. */
export type RawAnswerer = (socket: Socket, count: number) => void

/** An upstream whose every byte is a test's own. */
export interface RawUpstream {
  readonly url: string
  /** Requests since `answerWith`. */
  received(): number
  /** Those, byte for byte as Latin-1. */
  readonly requests: readonly string[]
  answerWith(answer: RawAnswerer): void
  stop(): void
}

export async function startRawUpstream(): Promise<RawUpstream> {
  const sockets = new Set<Socket>()
  let answer: RawAnswerer = () => {}
  const requests: string[] = []
  const server = createServer(socket => {
    sockets.add(socket)
    let waiting = ''
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', bytes => {
      waiting += bytes.toString('latin1')
      const length = requestLength(waiting)
      if (length === undefined || waiting.length < length) return
      const count = requests.push(waiting.slice(0, length))
      waiting = waiting.slice(length)
      answer(socket, count)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => requests.length,
    requests,
    answerWith(next) {
      requests.length = 0
      answer = next
    },
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Head and body, once the head is there. */
function requestLength(text: string): number | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  return end + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0)
}
