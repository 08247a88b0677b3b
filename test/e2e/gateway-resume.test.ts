import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { followArrivals } from '../support/arrivals.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, open, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStore, startOneGateway, takeoverLease } from '../support/gateway.ts'
import { openRaw } from '../support/raw-client.ts'
import { recordOf, stateOf, waitForLapse } from '../support/records.ts'
import { startUpstream } from '../support/upstream.ts'

const first = 'data: {"choices":[{"index":0,"delta":{"content":"Grüße, "}}]}\n\n'
const second = 'data: {"choices":[{"index":0,"delta":{"content":"world"}}]}\n\n'
const last = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const whole = Buffer.from(first + second + last)
const firstBytes = Buffer.byteLength(first)

const unknown = { status: 404, code: 'STREAM_UNKNOWN', shouldRetry: undefined }
const superseded = { status: 410, code: 'STREAM_SUPERSEDED', shouldRetry: undefined }
const pastTheEnd = { status: 416, code: 'OFFSET_INVALID', shouldRetry: undefined }
const malformed = { status: 400, code: 'REQUEST_INVALID', shouldRetry: 'false' }
const credential = { Authorization: 'Bearer sk-alice' }

/** Every answer that the upstream has begun, for a test to write. */
const runs: ServerResponse[] = []
const upstream = await startUpstream(response => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.write(first)
  runs.push(response)
})
afterAll(upstream.stop)

const store = await makeStore()
const [one, other] = await Promise.all([0, 1].map(() => startOneGateway(upstream.url, store)))
if (one === undefined || other === undefined) throw new Error('no gateways')
afterAll(() => Promise.all([one.stop(), other.stop()]))

interface Begun {
  readonly id: string
  readonly response: IncomingMessage
  /** The run of the upstream. */
  readonly run: ServerResponse
}

/** A stream of which the first frame has come. */
async function begin(gateway: Gateway, key: string, headers: Record<string, string> = credential): Promise<Begun> {
  const count = runs.length
  const asked = { headers: { ...headers, 'Idempotency-Key': key, 'Content-Type': 'application/json' }, body: '{}' }
  const response = await open(`${gateway.url}/v1/chat/completions`, asked)
  await followArrivals(response).until(first)
  const run = runs[count]
  if (run === undefined) throw new Error('the upstream was not asked')
  return { id: String(response.headers['retrysafe-stream']), response, run }
}

function finish({ run }: Begun): void {
  run.end(second + last)
}

async function beginAndFinish(gateway: Gateway, key: string): Promise<string> {
  const begun = await begin(gateway, key)
  const ended = once(begun.response, 'end')
  finish(begun)
  await ended
  return begun.id
}

function target(gateway: Gateway, id: string, offset: number | string): string {
  return `${gateway.url}/_retrysafe/streams/${id}?offset=${offset}`
}

function resume(gateway: Gateway, id: string, offset: number | string, headers = credential): Promise<Answer> {
  return ask(target(gateway, id, offset), { method: 'GET', headers })
}

function resumeLive(gateway: Gateway, id: string, offset: number): Promise<IncomingMessage> {
  return open(target(gateway, id, offset), { method: 'GET', headers: credential })
}

test('a stream cut in mid-run is resumed at any byte, by its own gateway and by another, and the run is one', async () => {
  const before = upstream.received.length
  const begun = await begin(one, 'cut')
  expect(begun.id).toMatch(/^[\w-]{76}$/)
  begun.response.destroy()
  const offsets = Array.from({ length: firstBytes + 1 }, (_, at) => at)
  const resumed = [one, other].flatMap(gateway => offsets.map(at => ({ gateway, at })))
  const answers = resumed.map(({ gateway, at }) => resume(gateway, begun.id, at))
  const sample = await Promise.all([one, other].map(gateway => resumeLive(gateway, begun.id, 7)))
  // They have what there is before the rest is written.
  await Promise.all(sample.map(response => followArrivals(response).until(first.slice(7))))
  for (const response of sample) {
    expect(response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'retrysafe-stream': begun.id })
    response.destroy()
  }
  finish(begun)
  for (const [index, answer] of (await Promise.all(answers)).entries()) {
    expect(answer.body.equals(whole.subarray(resumed[index]?.at))).toBe(true)
  }
  expect(upstream.received.length - before).toBe(1)
})

test('a completed stream is resumed at every byte by both by turns, with its length, up to its end and no further', async () => {
  const id = await beginAndFinish(one, 'completed')
  const offsets = Array.from({ length: whole.byteLength + 1 }, (_, at) => at)
  const answers = await Promise.all(offsets.map(at => resume(at % 2 === 0 ? one : other, id, at)))
  const rests = offsets.map(at => [200, 'replayed', String(whole.byteLength - at), whole.toString('latin1', at)])
  expect(
    answers.map(({ status, headers, body }) => [
      status,
      headers['retrysafe-outcome'],
      headers['content-length'],
      body.toString('latin1'),
    ]),
  ).toEqual(rests)
  for (const gateway of [one, other]) {
    for (const end of [0, whole.byteLength]) {
      expect((await resume(gateway, id, end)).body.equals(whole.subarray(end))).toBe(true)
    }
    for (const past of [whole.byteLength + 1, 10 ** 15]) {
      expect(problemOf(await resume(gateway, id, past))).toEqual(pastTheEnd)
    }
  }
})

test('who is ahead of the log, in another gateway, is let in when that has got there', async () => {
  const begun = await begin(one, 'ahead')
  // The first append has been made, after 10 ms; the next one comes after 250 ms.
  await eventually(async () => (await recordOf(one.admin, 'ahead'))?.lengthBytes).toBeGreaterThan(firstBytes)
  const arrivals = followArrivals(begun.response)
  begun.run.write(second)
  await arrivals.until(second)
  const live = await resumeLive(other, begun.id, Buffer.byteLength(first + second))
  expect(live.statusCode).toBe(200)
  const rest = followArrivals(live)
  begun.run.end(last)
  await rest.until(last)
})

test('a run that breaks breaks its resumers in both; then it is gone, and another run is another stream', async () => {
  const begun = await begin(one, 'broken')
  const resumed = await Promise.all([one, other].map(gateway => resumeLive(gateway, begun.id, 3)))
  const broken = [begun.response, ...resumed].map(response => expect(once(response.resume(), 'end')).rejects.toThrow())
  begun.run.destroy()
  await Promise.all(broken)
  for (const gateway of [one, other]) expect(problemOf(await resume(gateway, begun.id, 3))).toEqual(unknown)

  await eventually(() => stateOf(one.admin, 'broken')).toBe('open')
  const anewId = await beginAndFinish(other, 'broken')
  expect(anewId).not.toBe(begun.id)
  for (const gateway of [one, other]) {
    for (const offset of [0, 3, 1_000]) {
      expect(problemOf(await resume(gateway, begun.id, offset))).toEqual(superseded)
    }
    expect((await resume(gateway, anewId, 3)).body.equals(whole.subarray(3))).toBe(true)
  }
})

test('forged, damaged and other tenants’ ids get one and the same 404, whatever else they say', async () => {
  const id = await beginAndFinish(one, 'mine')
  const damaged = `${id.slice(0, 30)}${id[30] === 'x' ? 'y' : 'x'}${id.slice(31)}`
  const refused = await Promise.all([
    resume(other, id, 0, { Authorization: 'Bearer sk-bob' }),
    resume(other, id, 'nonsense', { Authorization: 'Bearer sk-bob' }),
    resume(other, damaged, 0),
    resume(other, 'made-up', 0),
    resume(other, id.slice(0, -4), 10 ** 15),
  ])
  expect(refused.map(problemOf)).toEqual(Array(5).fill(unknown))
  const words = refused.map(({ headers, text }) => ({ ...headers, date: '', text }))
  expect(words).toEqual(Array(5).fill(words[0]))
  // Control: the same with the credential is there.
  expect((await resume(other, id, 0)).text).toBe(first + second + last)
})

test('an offset is a whole decimal number, once; other methods and paths are refused as ever', async () => {
  const id = await beginAndFinish(one, 'wrong')
  for (const offset of ['-1', '+1', '1.5', '', 'abc', '1&offset=2', '0x10']) {
    expect([offset, problemOf(await resume(one, id, offset))]).toEqual([offset, malformed])
  }
  expect(problemOf(await resume(one, id, '9'.repeat(1_000)))).toEqual(pastTheEnd)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    expect(problemOf(await ask(target(one, id, 0), { method, headers: credential }))).toEqual(malformed)
  }
  const head = await ask(target(one, id, 0), { method: 'HEAD', headers: credential })
  expect([head.status, head.text]).toEqual([400, ''])
  expect(problemOf(await ask(`${one.url}/_retrysafe/streams/`, { method: 'GET' }))).toEqual(malformed)
  expect(problemOf(await ask(`${one.url}/_retrysafe//streams/${id}`, { method: 'GET' }))).toEqual(malformed)
  const from0 = await ask(`${one.url}/_retrysafe/streams/${id}`, { method: 'GET', headers: credential })
  expect(from0.text).toBe(first + second + last)
  expect((await ask(`${one.url}/_retrysafe/livez`, { method: 'GET' })).status).toBe(200)
})

test('over HTTP/1.0, where the end of the connection is the end of the answer, a broken run is a reset', async () => {
  const begun = await begin(one, 'old')
  const lines = `GET /_retrysafe/streams/${begun.id}?offset=4 HTTP/1.0\r\nAuthorization: Bearer sk-alice\r\n\r\n`
  const [whole10, broken10] = [await openRaw(one.url), await openRaw(one.url)]
  broken10.socket.write(lines)
  await eventually(() => broken10.text()).toContain('"content"')
  begun.run.destroy()
  expect(await broken10.ended).toBe('reset')
  const id = await beginAndFinish(one, 'old-whole')
  whole10.socket.write(lines.replace(begun.id, id))
  expect(await whole10.ended).toBe('end')
  expect(whole10.text()).toContain(whole.toString('latin1', 4))
})

describe('gateways of their own', () => {
  test('takeover: what the killed one leaves ends in a 404, and after another has run, in a 410', async () => {
    const flags = [...(await makeStore()), '--lease', takeoverLease]
    const [killed, survivor] = await Promise.all([0, 1].map(() => startOneGateway(upstream.url, flags)))
    if (killed === undefined || survivor === undefined) throw new Error('no gateways')
    for (const gateway of [killed, survivor]) onTestFinished(gateway.stop)
    const begun = await begin(killed, 'taken')
    const there = await resumeLive(survivor, begun.id, 3)
    await followArrivals(there).until(first.slice(3))
    await killed.kill()
    await expect(once(there.resume(), 'end')).rejects.toThrow()
    await waitForLapse(survivor.admin)
    // What is there still comes, and never ends cleanly; behind it there is nothing to wait for.
    await expect(resume(survivor, begun.id, 3)).rejects.toThrow()
    expect(problemOf(await resume(survivor, begun.id, firstBytes))).toEqual(unknown)

    const anew = await begin(survivor, 'taken')
    expect(problemOf(await resume(survivor, begun.id, 3))).toEqual(superseded)
    const live = resume(survivor, anew.id, 3)
    finish(anew)
    expect((await live).body.equals(whole.subarray(3))).toBe(true)
    expect(problemOf(await resume(survivor, begun.id, 3))).toEqual(superseded)
  })

  test('a header names the tenant; a result too large is not kept; while it drains it refuses, and its resumer has the rest', async () => {
    const flags = ['--tenant', 'header:X-Tenant', '--max-result', '300']
    const gateway = await startOneGateway(upstream.url, [...(await makeStore()), ...flags])
    onTestFinished(gateway.stop)
    const ann = { 'X-Tenant': 'ann' }
    const asks = (id: string, offset: number, headers: Record<string, string>): Promise<Answer> =>
      ask(target(gateway, id, offset), { method: 'GET', headers })
    const kept = await begin(gateway, 'kept', ann)
    expect(problemOf(await asks(kept.id, 0, { 'X-Tenant': 'ben' }))).toEqual(unknown)
    expect(problemOf(await asks(kept.id, 0, credential)).code).toBe('TENANT_MISSING')
    const large = await begin(gateway, 'large', ann)
    const over = once(large.response, 'end')
    large.run.end(second.repeat(10) + last)
    await over
    expect(problemOf(await asks(large.id, 3, ann))).toEqual({
      status: 424,
      code: 'RESULT_NOT_KEPT',
      shouldRetry: 'false',
    })

    const live = await open(target(gateway, kept.id, 3), { method: 'GET', headers: ann })
    const rest = followArrivals(live)
    gateway.terminate()
    const readyz = async (): Promise<number> =>
      (await ask(`${gateway.url}/_retrysafe/readyz`, { method: 'GET' })).status
    await eventually(readyz).toBe(503)
    const draining = { status: 503, code: 'DRAINING', shouldRetry: 'true' }
    expect(problemOf(await asks(kept.id, 3, ann))).toEqual(draining)
    finish(kept)
    await rest.until(last)
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
  })
})
