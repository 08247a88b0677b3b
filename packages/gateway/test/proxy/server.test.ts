import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { openEngine } from 'retrysafe/internal/engine/engine'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import { memoryStore } from 'retrysafe/stores/memory'
import { afterEach, describe, expect, test } from 'vitest'
import { defaultUpstream, type GatewayConfig, isLoopback } from '../../src/config/config.ts'
import { type Flag, fallbackOf } from '../../src/config/flag.ts'
import { serveFlags } from '../../src/config/flags.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import { CanonicalBodies } from '../../src/proxy/canonical-bodies.ts'
import { createProxy, type ProxyListener } from '../../src/proxy/server.ts'
import { StoreWatch } from '../../src/proxy/store-watch.ts'
import { openUpstreams } from '../../src/proxy/upstreams.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port
}

/** A proxy in this process, before an upstream whose answers are 64 MB, with time-outs that a test can wait for. */
async function openProxy(times: { timeoutMs: number; keepAliveMs: number }): Promise<ProxyListener> {
  const upstream = createServer((request, response) => {
    request.resume().once('end', () => response.end(Buffer.alloc(67_108_864)))
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  closing.push(
    () => upstream.closeAllConnections(),
    () => upstream.close(),
  )
  const defaults = Object.entries<Flag>(serveFlags).map(([member, flag]) => [member, fallbackOf(flag)])
  const config = { ...Object.fromEntries(defaults), methods: new Set(['POST']) } as GatewayConfig
  const terms = { policy: config.onStoreError, surroundings: processSurroundings, log: () => {} }
  const storeWatch = new StoreWatch(memoryStore(), terms)
  const engine = await openEngine({ store: storeWatch.store })
  const target = { name: defaultUpstream, origin: `http://127.0.0.1:${portOf(upstream)}`, basePath: '' }
  const upstreams = openUpstreams(new Map([[target.name, target]]), { silenceMs: 60_000, log: () => {} })
  closing.push(
    () => upstreams.close(),
    () => engine.close(),
  )
  const proxy = createProxy({
    config,
    engine,
    storeWatch,
    upstreams,
    canonicalBodies: new CanonicalBodies({ log: () => {} }),
    observer: undefined,
    ledger: new Ledger(engine.store, processSurroundings),
    anonymous: isLoopback(config.host),
    log: () => {},
  })
  proxy.server.timeout = times.timeoutMs
  proxy.server.keepAliveTimeout = times.keepAliveMs
  proxy.server.listen(0, '127.0.0.1')
  await once(proxy.server, 'listening')
  closing.push(
    () => proxy.server.closeAllConnections(),
    () => proxy.server.close(),
  )
  return proxy
}

async function sayTo(proxy: ProxyListener, text: string): Promise<Socket> {
  const socket = connect(portOf(proxy.server), '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.write(text)
  closing.push(() => socket.destroy())
  return socket
}

test('an idle connection is closed after the keep-alive time', async () => {
  const proxy = await openProxy({ timeoutMs: 60_000, keepAliveMs: 100 })
  const socket = await sayTo(proxy, 'GET /_retrysafe/livez HTTP/1.1\r\nHost: gateway\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  await proxy.idle()
})

test.each([
  ['with a key', 'Idempotency-Key: stalled\r\n'],
  ['without', ''],
])(
  'a client that takes nothing in of its answer is given up: %s',
  async (_, header) => {
    const proxy = await openProxy({ timeoutMs: 300, keepAliveMs: 60_000 })
    const arrived = once(proxy.server, 'request')
    const socket = await sayTo(proxy, `POST /x HTTP/1.1\r\nHost: gateway\r\n${header}Content-Length: 2\r\n\r\n{}`)
    socket.pause()
    await arrived
    await proxy.idle()
    const connections = await new Promise<number>(resolve => proxy.server.getConnections((_, count) => resolve(count)))
    expect(connections).toBe(0)
  },
  10_000,
)

describe('a client that stops in the middle of its body', () => {
  test.each([
    ['with a key', 'Idempotency-Key: silent\r\nContent-Length: 10\r\n', 'half'],
    ['with a key, in chunks', 'Idempotency-Key: silent\r\nTransfer-Encoding: chunked\r\n', '4\r\nhalf\r\n'],
    ['before its first byte', 'Idempotency-Key: silent\r\nContent-Length: 10\r\n', ''],
    ['asked for it', 'Idempotency-Key: silent\r\nExpect: 100-continue\r\nContent-Length: 10\r\n', ''],
    ['without a key', 'Content-Length: 10\r\n', 'half'],
    ['without a key, streamed', 'Content-Length: 100000\r\n', 'half'],
  ])('is told so with 408, and its connection ends: %s', async (_, headers, body) => {
    const proxy = await openProxy({ timeoutMs: 300, keepAliveMs: 60_000 })
    const socket = await sayTo(proxy, `POST /x HTTP/1.1\r\nHost: gateway\r\n${headers}\r\n${body}`)
    let answer = ''
    socket.on('data', bytes => {
      answer += bytes.toString('latin1')
    })
    await once(socket, 'close')
    expect(answer).toMatch(/HTTP\/1\.1 408 [\s\S]*x-should-retry: true[\s\S]*"code":"BODY_TIMEOUT"/)
    expect(answer.includes('Retrysafe-Outcome: refused')).toBe(headers.includes('Key'))
    await proxy.idle()
  })
})
