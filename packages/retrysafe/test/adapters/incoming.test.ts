import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type BodyReading, readBody } from '../../src/adapters/node/incoming.ts'
import type { Timers } from '../../src/engine/clock.ts'

/** Timers that fire when a test says so. */
function handTimers(): { timers: Timers; started: { delayMs: number; run: () => void; cancelled: boolean }[] } {
  const started: { delayMs: number; run: () => void; cancelled: boolean }[] = []
  const timers: Timers = {
    after(delayMs, run) {
      const timer = { delayMs, run, cancelled: false }
      started.push(timer)
      return {
        cancel: () => {
          timer.cancelled = true
        },
      }
    },
  }
  return { timers, started }
}

/** A request that is being sent, as its server sees it. */
async function receive(lengthBytes?: number) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const headers = lengthBytes === undefined ? {} : { 'Content-Length': lengthBytes }
  const { port } = server.address() as AddressInfo
  const sent = request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false })
  sent.on('error', () => {})
  onTestFinished(() => {
    sent.destroy()
    server.close()
  })
  sent.flushHeaders()
  const [received, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  return { sent, received, response }
}

test('a body that comes byte after byte has five minutes from its first one on, in all', async () => {
  const { timers, started } = handTimers()
  const { sent, received, response } = await receive(10)
  const reading = readBody(received, response, 10, 100, timers)
  expect(started).toEqual([])
  sent.write('a')
  await expect.poll(() => started.length).toBe(1)
  sent.write('b')
  await expect.poll(() => received.socket.bytesRead).toBeGreaterThan(0)
  expect(started.map(({ delayMs }) => delayMs)).toEqual([300_000])
  started[0]?.run()
  expect(await reading).toMatchObject({ kind: 'too slow' })
})

test.each<[string, number | undefined, string, BodyReading, number]>([
  ['one that is here at once needs no timer', 4, 'body', { kind: 'body', bytes: Buffer.from('body') }, 0],
  ['nor an empty one', 0, '', { kind: 'body', bytes: Buffer.alloc(0) }, 0],
  ['one without a length has one, ended with it', undefined, 'body', { kind: 'body', bytes: Buffer.from('body') }, 1],
  ['one over the bound', undefined, 'x'.repeat(101), { kind: 'too large', lengthBytes: 101 }, 0],
  ['one announced as over the bound', 101, 'x', { kind: 'too large', lengthBytes: 101 }, 0],
])('%s', async (_, length, body, expected, timerCount) => {
  const { timers, started } = handTimers()
  const { sent, received, response } = await receive(length)
  const reading = readBody(received, response, length, 100, timers)
  if (body.length === (length ?? body.length)) sent.end(body)
  else sent.write(body)
  expect(await reading).toEqual(expected)
  expect(started.map(({ cancelled }) => cancelled)).toEqual(Array(timerCount).fill(true))
})

test('a client that leaves has left', async () => {
  const { timers, started } = handTimers()
  const { sent, received, response } = await receive(10)
  const reading = readBody(received, response, 10, 100, timers)
  sent.write('half')
  await expect.poll(() => started.length).toBe(1)
  sent.destroy()
  expect(await reading).toEqual({ kind: 'left' })
  expect(started.map(({ cancelled }) => cancelled)).toEqual([true])
})
