import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { startTcpProxy } from './tcp-proxy.ts'

/** Answers every byte by the same, in upper case; what it has heard, and how its connections ended, is kept. */
const ends: string[] = []
let heard = ''
const server = createServer(socket => {
  socket.on('data', bytes => {
    heard += bytes
    socket.write(String(bytes).toUpperCase())
  })
  socket.once('end', () => ends.push('end'))
  socket.once('error', error => ends.push((error as NodeJS.ErrnoException).code ?? 'error'))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const proxy = await startTcpProxy({ host: '127.0.0.1', port })

afterEach(async () => {
  proxy.resume()
  proxy.delay(0)
  proxy.cut()
  await proxy.accept()
  await eventually(() => proxy.counts().open).toBe(0)
  ends.length = 0
  heard = ''
})
afterAll(() => {
  proxy.stop()
  server.close()
})

interface Client {
  readonly socket: Socket
  /** What has arrived. */
  got(): string
  /** `end`, `ECONNRESET`, or undefined while it is there. */
  ended(): string | undefined
}

async function dial(): Promise<Client> {
  let got = ''
  let ended: string | undefined
  const socket = connect({ host: proxy.host, port: proxy.port })
  socket.on('data', bytes => {
    got += bytes
  })
  socket.once('end', () => {
    ended ??= 'end'
  })
  socket.once('error', error => {
    ended ??= (error as NodeJS.ErrnoException).code
  })
  await once(socket, 'connect')
  return { socket, got: () => got, ended: () => ended }
}

describe('a TCP proxy', () => {
  test('takes the place of the server in a URL, and nothing else of it', () => {
    const at = `127.0.0.1:${proxy.port}`
    expect(proxy.through('postgres://u:p%40@db.example:5432/shop?schema=a')).toBe(
      `postgres://u:p%40@${at}/shop?schema=a`,
    )
    expect(proxy.through('redis://localhost/3')).toBe(`redis://${at}/3`)
  })

  test('carries bytes both ways and counts them', async () => {
    const before = proxy.counts()
    const client = await dial()
    client.socket.write('hello')
    await eventually(client.got).toBe('HELLO')
    const { connections, open, bytes } = proxy.counts()
    expect(connections - before.connections).toBe(1)
    expect(open).toBe(1)
    expect(bytes).toEqual({ client: before.bytes.client + 5, server: before.bytes.server + 5 })
  })

  test('carries more than buffers hold', async () => {
    const client = await dial()
    client.socket.write('x'.repeat(5_000_000))
    await eventually(() => client.got().length).toBe(5_000_000)
  })

  test('an end goes through, and what follows from the other side too', async () => {
    const client = await dial()
    client.socket.end('bye')
    await eventually(client.ended).toBe('end')
    expect(client.got()).toBe('BYE')
    expect(ends).toEqual(['end'])
  })

  test('cut breaks all connections by a reset', async () => {
    const [one, other] = [await dial(), await dial()]
    one.socket.write('a')
    other.socket.write('b')
    await eventually(() => one.got() + other.got()).toBe('AB')
    proxy.cut()
    await eventually(one.ended).toBe('ECONNRESET')
    await eventually(other.ended).toBe('ECONNRESET')
    await eventually(() => ends).toEqual(['ECONNRESET', 'ECONNRESET'])
  })

  test('a command is cut at the byte', async () => {
    const client = await dial()
    client.socket.write('before')
    await eventually(client.got).toBe('BEFORE')
    const cut = proxy.cutAfter('client', 4)
    client.socket.write('just')
    await eventually(client.got).toBe('BEFOREJUST')
    client.socket.write('one')
    await cut
    await eventually(client.ended).toBe('ECONNRESET')
    await eventually(() => ends).toEqual(['end'])
    expect(heard).toBe('beforejust')
  })

  test('an answer is cut at the byte', async () => {
    const client = await dial()
    const cut = proxy.cutAfter('server', 4)
    client.socket.write('complete')
    await cut
    await eventually(client.ended).toBe('end')
    expect(client.got()).toBe('COMP')
    expect(heard).toBe('complete')
  })

  test('a cut after no byte of the answer: the command has arrived', async () => {
    const client = await dial()
    const cut = proxy.cutAfter('server', 0)
    client.socket.write('complete')
    await cut
    await eventually(client.ended).toBe('end')
    expect(client.got()).toBe('')
    expect(heard).toBe('complete')
  })

  test('it is one cut of one connection; the next one is whole', async () => {
    const [one, other] = [await dial(), await dial()]
    const cut = proxy.cutAfter('server', 1)
    one.socket.write('ab')
    await cut
    other.socket.write('cd')
    await eventually(other.got).toBe('CD')
    expect(one.got()).toBe('A')
  })

  test('nothing gets through a stall, not even an end; what was held up arrives after it', async () => {
    const [one, other] = [await dial(), await dial()]
    one.socket.write('first')
    await eventually(one.got).toBe('FIRST')
    proxy.stall()
    const { bytes } = proxy.counts()
    const third = await dial()
    one.socket.write('second')
    other.socket.end()
    third.socket.write('third')
    // They have left; a proxy that let them through would do so within these turns.
    await eventually(() => one.socket.writableLength + third.socket.writableLength).toBe(0)
    for (let turns = 0; turns < 50; turns += 1) await new Promise(resolve => setImmediate(resolve))
    expect(proxy.counts().bytes).toEqual(bytes)
    expect(heard).toBe('first')
    expect(ends).toEqual([])
    proxy.resume()
    await eventually(one.got).toBe('FIRSTSECOND')
    await eventually(third.got).toBe('THIRD')
    await eventually(other.ended).toBe('end')
  })

  test('a stall of the server: the command arrives, its answer does not', async () => {
    const client = await dial()
    proxy.stall('server')
    client.socket.write('held')
    await eventually(() => heard).toBe('held')
    for (let turns = 0; turns < 50; turns += 1) await new Promise(resolve => setImmediate(resolve))
    expect(client.got()).toBe('')
    proxy.resume()
    await eventually(client.got).toBe('HELD')
  })

  test('refuses new connections and keeps the old ones, until it accepts again', async () => {
    const old = await dial()
    proxy.refuse()
    await expect(dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    old.socket.write('still here')
    await eventually(old.got).toBe('STILL HERE')
    await proxy.accept()
    await proxy.accept()
    const next = await dial()
    next.socket.write('again')
    await eventually(next.got).toBe('AGAIN')
  })

  test('delays every piece, both ways', async () => {
    const client = await dial()
    proxy.delay(40)
    const start = performance.now()
    client.socket.write('late')
    await once(client.socket, 'data')
    // Timers may be early by less than a millisecond, each.
    expect(performance.now() - start).toBeGreaterThan(78)
    expect(client.got()).toBe('LATE')
  })

  test('a server that is not there resets the client', async () => {
    const nobody = await startTcpProxy({ host: '127.0.0.1', port: 1 })
    const socket = connect({ host: nobody.host, port: nobody.port })
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    nobody.stop()
  })
})
