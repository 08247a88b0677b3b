import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { AnswerIntake } from '../../src/proxy/answer-intake.ts'
import { openUpstream, type Upstream, type UpstreamFailure } from '../../src/proxy/upstream.ts'
import { openUpstreams } from '../../src/proxy/upstreams.ts'

/** A server that answers when a test says so, and counts its connections. */
async function startServer() {
  const waiting: ServerResponse[] = []
  let connections = 0
  const server = createServer((_, response) => waiting.push(response))
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, waiting, connections: () => connections }
}

/** How a call ended: its status, or why there is none. */
function send(upstream: Upstream): Promise<number | UpstreamFailure> {
  return new Promise(resolve => {
    let status = 0
    const intake = new AnswerIntake({
      head: head => {
        status = head.status
        return 'as it is'
      },
      data: () => true,
      end: failure => resolve(failure ?? status),
    })
    upstream.send({ method: 'POST', target: '/x', headers: [], body: '{}' }, intake)
  })
}

test('as many calls wait for a connection as may; the next one is refused, for nothing was sent', async () => {
  const { origin, waiting, connections } = await startServer()
  const terms = { silenceMs: 60_000, log: () => {}, maxConnections: 2, maxQueued: 1 }
  const upstream = openUpstream({ name: 'one', origin, basePath: '' }, terms)
  onTestFinished(() => upstream.close())
  const calls = [send(upstream), send(upstream), send(upstream)]
  await expect.poll(() => waiting.length).toBe(2)
  const refused = { kind: 'unreachable', reason: 'all 2 connections are busy' }
  expect(await send(upstream)).toEqual(refused)
  expect(await send(upstream)).toEqual(refused)
  for (const answered of [1, 2, 3]) {
    waiting.shift()?.end()
    // The one that waited takes the first connection that is free.
    if (answered === 1) await expect.poll(() => waiting.length).toBe(2)
  }
  expect(await Promise.all(calls)).toEqual([200, 200, 200])
  const again = send(upstream)
  await expect.poll(() => waiting.length).toBe(1)
  waiting.shift()?.end()
  expect(await again).toBe(200)
  expect(connections()).toBe(2)
})

test('an upstream has connections when it is asked, and none after the end', async () => {
  const one = await startServer()
  const two = await startServer()
  const targets = [
    { name: 'one', origin: one.origin, basePath: '' },
    { name: 'two', origin: two.origin, basePath: '' },
  ]
  const upstreams = openUpstreams(new Map(targets.map(target => [target.name, target])), {
    silenceMs: 60_000,
    log: () => {},
  })
  const route = upstreams.find('/one/x')
  if (route === undefined) throw new Error('there is a route')
  const call = send(route.upstream)
  await expect.poll(() => one.waiting.length).toBe(1)
  await upstreams.close()
  expect(await call).toMatchObject({ kind: 'cut' })
  expect([one.connections(), two.connections()]).toEqual([1, 0])
})
