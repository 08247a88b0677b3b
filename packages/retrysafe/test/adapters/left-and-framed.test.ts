import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { idempotency, idempotencyOf, type NodeHandler } from '../../src/adapters/node/index.ts'
import { createRetrysafe } from '../../src/retrysafe.ts'
import { leave, listen, openSafe, post, told } from './listening.ts'

type Options = Partial<Parameters<typeof idempotency>[0]>

function serve(handler: NodeHandler, options: Options = {}): Promise<string> {
  return listen(idempotency({ safe: openSafe(), tenant: 'single', ...options }, handler))
}

/** All that a server says to these bytes, in one write. */
async function sendRaw(url: string, text: string, isWhole: (told: string) => boolean): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let said = ''
  socket.on('data', bytes => {
    said += bytes.toString('latin1')
  })
  socket.write(text)
  await eventually(() => isWhole(said)).toBe(true)
  return said
}

/** Says `begun`, ends at once when it hears that its client has left, and is whole at the second run. */
function endingOn(hear: (...given: [...Parameters<NodeHandler>, end: () => void]) => void): {
  handler: NodeHandler
  runs: () => number
} {
  let runs = 0
  return {
    runs: () => runs,
    handler(request, response) {
      runs += 1
      response.setHeader('Content-Type', 'application/x-ndjson')
      response.write('{"begun":1}\n')
      if (runs === 1) hear(request, response, () => response.end())
      else response.end('{"done":1}\n')
    },
  }
}

const whole = '{"begun":1}\n{"done":1}\n'

test.each<[string, Parameters<typeof endingOn>[0]]>([
  ['the signal fires', (request, _, end) => idempotencyOf(request)?.signal.addEventListener('abort', end)],
  ['the response closes', (_request, response, end) => response.on('close', end)],
  ['the request closes', (request, _, end) => request.on('aborted', end)],
])('what a handler ends because %s is not recorded', async (_name, hear) => {
  let heard = 0
  const { handler, runs } = endingOn((request, response, end) =>
    hear(request, response, () => {
      heard += 1
      end()
    }),
  )
  const url = await serve(handler, { onDisconnect: 'cancel' })
  await leave(url)
  await eventually(() => heard).toBe(1)
  expect(await told(post(url, 'k'))).toEqual([200, 'executed', whole])
  expect(runs()).toBe(2)
})

test('nor what it ends because it was silent for too long', async () => {
  const { handler } = endingOn((request, _, end) => idempotencyOf(request)?.signal.addEventListener('abort', end))
  const url = await serve(handler, { handlerTimeoutMs: 100 })
  await expect(told(post(url, 'k'))).rejects.toThrow()
  expect(await told(post(url, 'k'))).toEqual([200, 'executed', whole])
})

test('a run that goes on does not hear of its client at its request either', async () => {
  const heard: string[] = []
  let finish: () => void = () => {}
  const url = await serve((request, response) => {
    for (const event of ['aborted', 'close', 'error']) request.on(event, () => heard.push(event))
    request.socket.on('close', () => heard.push('socket'))
    response.setHeader('Content-Type', 'application/x-ndjson')
    response.write('{"begun":1}\n')
    finish = () => response.end('{"done":1}\n')
  })
  await leave(url)
  const joined = post(url, 'k')
  const answer = await joined
  expect(heard).toEqual([])
  finish()
  expect(await answer.text()).toBe(whole)
  await eventually(() => heard).toContain('close')
})

test.each([
  [200, 'hello'],
  [400, 'hello'],
])('%i: more than its Content-Length is no answer', async (status, text) => {
  const url = await serve((_request, response) => {
    response.writeHead(status, { 'Content-Length': 5 })
    response.write(text)
    response.end(' and the next answer')
  })
  const answer = await post(url, 'k').then(
    async response => [response.status, await response.text().catch(() => 'cut')],
    () => 'cut',
  )
  expect(answer).toEqual(status === 200 ? [500, 'internal error\n'] : 'cut')
})

test('a reason that no head can hold is thrown where it is used, and nothing is recorded', async () => {
  let runs = 0
  const url = await serve((_request, response) => {
    runs += 1
    response.statusMessage = 'a\r\nb: c'
    response.end('x')
  })
  expect((await post(url, 'k')).status).toBe(500)
  expect((await post(url, 'k')).status).toBe(500)
  expect(runs).toBe(2)
})

test.each<[string, NodeHandler]>([
  ['writeHead', (_request, response) => response.writeHead(1_000)],
  ['write', (_request, response) => Object.assign(response, { statusCode: 99 }).write('x')],
  ['end', (_request, response) => Object.assign(response, { statusCode: 'none' }).end('x')],
])('a status that no head can hold is thrown by %s, and the handler may answer something else', async (_, fail) => {
  const url = await serve((request, response) => {
    let thrown: unknown
    try {
      fail(request, response)
    } catch (error) {
      thrown = error
    }
    response.statusCode = 201
    response.end(String(Reflect.get(Object(thrown), 'code')))
  })
  expect(await told(post(url, 'k'))).toEqual([201, 'executed', 'ERR_HTTP_INVALID_STATUS_CODE'])
  expect(await told(post(url, 'k'))).toEqual([201, 'replayed', 'ERR_HTTP_INVALID_STATUS_CODE'])
})

test('a body of empty chunks is a body, also if it comes with its head', async () => {
  const url = await serve((request, response) => {
    let lengthBytes = 0
    request.on('data', (bytes: Buffer) => {
      lengthBytes += bytes.byteLength
    })
    request.on('end', () => response.end(`${lengthBytes} bytes`))
  })
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n'
  expect(await sendRaw(url, `${head}0\r\n\r\n`, told => told.endsWith('0 bytes'))).toContain('200 OK')
})

test('a tenant is known to its own Retrysafe only, also on one connection', async () => {
  const open = (scopeSecret: string): ReturnType<typeof createRetrysafe> => {
    const safe = createRetrysafe({ store: 'memory:', scopeSecret })
    onTestFinished(() => safe.close({ drainMs: 0 }))
    return safe
  }
  let runs = 0
  const one = idempotency({ safe: open('a secret of the first'), tenant: 'credential' }, (_, response) => {
    response.end('one')
  })
  const other = idempotency({ safe: open('a secret of the other'), tenant: 'credential' }, (_, response) => {
    runs += 1
    response.end('other')
  })
  const server = createServer((request, response) => (request.url === '/one' ? one : other)(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nAuthorization: Bearer x\r\nContent-Length: 0\r\n\r\n`
  await sendRaw(url, ask('/one') + ask('/other'), told => told.endsWith('other'))
  expect(await sendRaw(url, ask('/other'), told => told.endsWith('other'))).toContain('replayed')
  expect(runs).toBe(1)
})
