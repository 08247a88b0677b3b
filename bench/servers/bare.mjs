// Bare node:http: 1 KiB in, 1 KiB out. The raw limit that every row is held against, and the upstream behind the
// gateway. Counts what it executed; prints its URL when it listens.
import { createServer } from 'node:http'

const answer = JSON.stringify({ id: 'answer', text: 'x'.repeat(1_024 - 26) })
let executed = 0

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(String(executed))
    return
  }
  request.on('data', () => {})
  request.on('end', () => {
    executed++
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length })
    response.end(answer)
  })
})
server.keepAliveTimeout = 75_000
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ event: 'ready', url: `http://127.0.0.1:${server.address().port}` })}\n`)
})
process.on('disconnect', () => process.exit(0))
