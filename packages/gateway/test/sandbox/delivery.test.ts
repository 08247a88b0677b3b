import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type Answer, jsonAnswer } from '../../src/sandbox/answer.ts'
import { deliver } from '../../src/sandbox/delivery.ts'
import type { Fault } from '../../src/sandbox/faults.ts'

let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

interface Delivery {
  readonly url: string
  readonly begun: Promise<void>
  readonly settled: Promise<void>
}

/** A server that delivers one answer, and tells when that began and when it was over. */
async function delivering(answer: Answer, faults: readonly Fault[]): Promise<Delivery> {
  const { promise: begun, resolve: begin } = deferred()
  const { promise: settled, resolve: settle, reject } = deferred()
  const listening = createServer((_req, res) => {
    deliver(res, answer, faults).then(settle, reject)
    begin()
  })
  server = listening
  await new Promise<void>(resolve => listening.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, begun, settled }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve: () => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** A stream that never fails by itself. */
function streamOf(frames: Iterable<string>): Answer {
  return { kind: 'stream', headers: {}, frames, failAt: () => [] }
}

function* endless(): Generator<string> {
  for (let n = 0; ; n += 1) yield `data: ${n}\n\n`
}

test('a client that leaves during a delay ends the wait', async () => {
  const { url, begun, settled } = await delivering(jsonAnswer(200, {}), [{ kind: 'delay', delayMs: 86_400_000 }])
  const client = new AbortController()
  const call = fetch(url, { signal: client.signal })
  await begun
  client.abort()
  await expect(call).rejects.toThrow('aborted')
  await settled
})

test('a client that leaves during a gap ends the stream', async () => {
  const answer = streamOf(endless())
  const { url, settled } = await delivering(answer, [{ kind: 'gap', gapMs: 86_400_000 }])
  const client = new AbortController()
  const response = await fetch(url, { signal: client.signal })
  const first = await response.body?.getReader().read()
  expect(Buffer.from(first?.value ?? []).toString()).toBe('data: 0\n\n')
  client.abort()
  await settled
})

test('a client that leaves in the middle of an endless stream ends it', async () => {
  let drawn = 0
  function* counted(): Generator<string> {
    for (const frame of endless()) {
      drawn += 1
      yield frame
    }
  }
  const { url, settled } = await delivering(streamOf(counted()), [])
  const client = new AbortController()
  const response = await fetch(url, { signal: client.signal })
  await response.body?.getReader().read()
  client.abort()
  await settled
  const drawnAtTheEnd = drawn
  await new Promise(setImmediate)
  expect(drawn).toBe(drawnAtTheEnd)
})

test('a stream waits for a slow reader instead of filling memory', async () => {
  let drawn = 0
  function* large(): Generator<string> {
    for (; drawn < 200; drawn += 1) yield `data: ${'x'.repeat(1_048_576)}\n\n`
  }
  const { url, settled } = await delivering(streamOf(large()), [])
  const response = await new Promise<IncomingMessage>(resolve => get(url, resolve))
  // Nobody reads. A sender that does not wait draws a frame at every turn of the loop.
  for (let turn = 0; turn < 1_000; turn += 1) await new Promise(setImmediate)
  expect(drawn).toBeLessThan(50)
  let lengthBytes = 0
  for await (const chunk of response) lengthBytes += chunk.length
  expect(lengthBytes).toBe(209_716_800)
  await settled
})
