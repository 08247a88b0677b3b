import { describe, expect, test } from 'vitest'
import { followArrivals } from '../support/arrivals.ts'
import { eventually } from '../support/eventually.ts'
import { open } from '../support/exchange.ts'
import { chunk, completion, leaving, openAttempts, path } from '../support/sdk-attempts.ts'

const { upstream, gateway, held, attempt, leftAttempt, countRecords, say } = await openAttempts('--lease', '1s')

/** How long it takes from the client's leaving to the upstream's hearing of it. */
async function stopStream(): Promise<number> {
  let stopped: (atMs: number) => void = () => {}
  const whenStopped = new Promise<number>(resolve => {
    stopped = resolve
  })
  upstream.answerWith(response => {
    response.once('close', () => stopped(performance.now()))
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(chunk('one '))
  })
  const { signal, abort } = leaving()
  const headers = { 'Content-Type': 'application/json', 'X-Stainless-Retry-Count': '0' }
  const stream = await open(`${gateway.url}${path}`, { headers, body: '{"stream":true}', signal })
  stream.on('error', () => {})
  await followArrivals(stream).until('one ')
  const leftMs = performance.now()
  abort()
  return (await whenStopped) - leftMs
}

test('a stream that its user stops is stopped upstream within 200 ms, and not kept', async () => {
  const before = await countRecords()
  // On a machine that is busy the first ones may take longer.
  await eventually(stopStream).toBeLessThan(200)
  expect(await countRecords()).toBe(before)
})

test('so is one that was joined: its owner hears of it with its next beat', async () => {
  await leftAttempt('stopped')
  const { signal, abort } = leaving()
  const headers = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'X-Stainless-Retry-Count': '1',
  }
  const asked = open(`${gateway.url}${path}`, { headers, body: '{"text":"stopped"}', signal })
  held[0]?.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(chunk('one '))
  const stream = await asked
  stream.on('error', () => {})
  expect(stream.headers['retrysafe-outcome']).toBe('joined')
  await followArrivals(stream).until('one ')
  const stopped = new Promise(resolve => held[0]?.once('close', resolve))
  abort()
  await stopped
})

test('so is one that a retry ran anew', async () => {
  await leftAttempt('ran anew')
  held[0]?.writeHead(500, { 'Content-Type': 'application/json' }).end('{}')
  const { signal, abort } = leaving()
  const headers = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'X-Stainless-Retry-Count': '1',
  }
  const asked = open(`${gateway.url}${path}`, { headers, body: '{"text":"ran anew"}', signal })
  await eventually(() => held.length).toBe(2)
  held[1]?.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(chunk('one '))
  const stream = await asked
  stream.on('error', () => {})
  expect(stream.headers['retrysafe-outcome']).toBe('executed')
  expect(stream.headers['retrysafe-key']).toMatch(/^sdk-/)
  const stopped = new Promise(resolve => held[1]?.once('close', resolve))
  await followArrivals(stream).until('one ')
  abort()
  await stopped
})

test('a plain answer without a length is no stream: who has its head and leaves may come again', async () => {
  await leftAttempt('plain')
  const { signal, abort } = leaving()
  const headers = {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'X-Stainless-Retry-Count': '1',
  }
  const text = completion('plain')
  const asked = open(`${gateway.url}${path}`, { headers, body: '{"text":"plain"}', signal })
  held[0]?.writeHead(200, { 'Content-Type': 'application/json' }).write(text.slice(0, 30))
  const answer = await asked
  expect(answer.headers).toMatchObject({ 'retrysafe-outcome': 'joined', 'transfer-encoding': 'chunked' })
  answer.on('error', () => {})
  await followArrivals(answer).until(text.slice(0, 30))
  const left = new Promise(resolve => answer.once('close', resolve))
  abort()
  await left
  const retry = attempt('plain', 2)
  held[0]?.end(text.slice(30))
  expect((await retry.answer).text).toBe(text)
  expect(held).toHaveLength(1)
})

describe('what becomes of a call that its client left, and nobody came for', () => {
  const closed = (): Promise<unknown> => new Promise(resolve => held[0]?.once('close', resolve))

  test.each(['grace:300ms', 'cancel'])('%s: it is stopped upstream', async policy => {
    const left = attempt(policy, 0, { 'Retrysafe-On-Disconnect': policy })
    await eventually(() => held.length).toBe(1)
    const stopped = closed()
    await left.leave()
    await stopped
    // Nothing is left to be found.
    const retry = attempt(policy, 1)
    await eventually(() => held.length).toBe(2)
    say(1, 'its own')
    expect((await retry.answer).text).toBe(completion('its own'))
  })

  test('finish: a stream, too, goes on to its end, though nothing can find it any more', async () => {
    const { signal, abort } = leaving()
    const headers = { 'Content-Type': 'application/json', 'Retrysafe-On-Disconnect': 'finish' }
    const asked = open(`${gateway.url}${path}`, { headers, body: '{"text":"finish"}', signal })
    await eventually(() => held.length).toBe(1)
    held[0]?.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(chunk('one '))
    const stream = await asked
    stream.on('error', () => {})
    await followArrivals(stream).until('one ')
    abort()
    await new Promise(resolve => stream.once('close', resolve))
    const finished = new Promise(resolve => held[0]?.once('finish', resolve))
    for (let part = 0; part < 200; part++) held[0]?.write(chunk('x'.repeat(10_000)))
    held[0]?.end('data: [DONE]\n\n')
    await finished
    expect(held[0]?.writableFinished).toBe(true)
  })
})
