import { once } from 'node:events'
import { Agent, type ServerResponse } from 'node:http'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { followArrivals } from '../support/arrivals.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, open, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStore, startOneGateway, takeoverLease } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

/** Each run says another letter: a byte of one behind those of another would show. */
const frame = (letter: string): string => `data: {"choices":[{"delta":{"content":"${letter.repeat(40)}"}}]}\n\n`
const last = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const begun = Buffer.from(frame('a'))
const whole = Buffer.from(frame('b') + frame('b') + last)
const credential = { Authorization: 'Bearer sk-alice' }
const stranger = { Authorization: 'Bearer sk-bob' }
const unknown = { status: 404, code: 'STREAM_UNKNOWN', shouldRetry: undefined }
const superseded = { status: 410, code: 'STREAM_SUPERSEDED', shouldRetry: undefined }

/** The runs of each key, for a test to go on with. */
const runs = new Map<string, ServerResponse[]>()
const upstream = await startUpstream((response, request) => {
  const key = String(request.headers['idempotency-key'])
  const all = [...(runs.get(key) ?? []), response]
  runs.set(key, all)
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(frame(all.length === 1 ? 'a' : 'b'))
})
afterAll(upstream.stop)

async function startPair(): Promise<[Gateway, Gateway]> {
  const flags = [...(await makeStore()), '--lease', takeoverLease]
  const pair = await Promise.all([startOneGateway(upstream.url, flags), startOneGateway(upstream.url, flags)])
  for (const gateway of pair) onTestFinished(gateway.stop)
  return pair
}

function post(key: string, headers = credential): { headers: Record<string, string>; body: string } {
  return { headers: { ...headers, 'Content-Type': 'application/json', 'Idempotency-Key': key }, body: '{}' }
}

/** Kept alive: one connection asks for a hundred ids. */
const agent = new Agent({ keepAlive: true, maxSockets: 8 })
afterAll(() => agent.destroy())

function resume(gateway: Gateway, id: string, offset: number | string, headers = credential): Promise<Answer> {
  return ask(`${gateway.url}/_retrysafe/streams/${id}?offset=${offset}`, { method: 'GET', headers, agent })
}

interface Resumed {
  /** Undefined: the connection broke before it. */
  readonly status: number | undefined
  readonly text: string
  readonly isWhole: boolean
}

/** All that a resumer of the stream gets, however it ends. */
async function gather(gateway: Gateway, id: string, offset: number): Promise<Resumed> {
  const url = `${gateway.url}/_retrysafe/streams/${id}?offset=${offset}`
  // In the moment of the takeover the connection may break before the head, too.
  const response = await open(url, { method: 'GET', headers: credential }).catch(() => undefined)
  if (response === undefined) return { status: undefined, text: '', isWhole: false }
  let text = ''
  response.setEncoding('latin1').on('data', (piece: string) => {
    text += piece
  })
  const ended = once(response, 'end').then(
    () => true,
    () => false,
  )
  return { status: response.statusCode, isWhole: await ended, text }
}

async function beginAndFinish(gateway: Gateway, key: string, headers = credential): Promise<string> {
  const response = await open(`${gateway.url}/v1/chat/completions`, post(key, headers))
  await eventually(() => runs.get(key)?.length).toBe(1)
  const ended = once(response.resume(), 'end')
  runs.get(key)?.[0]?.end(last)
  await ended
  return String(response.headers['retrysafe-stream'])
}

test('across a takeover: whoever asks for the old run, at any offset and any time, gets its bytes or none', async () => {
  const [killed, other] = await startPair()
  const first = await open(`${killed.url}/v1/chat/completions`, post('taken'))
  await followArrivals(first).until(frame('a'))
  const id = String(first.headers['retrysafe-stream'])
  // One reads on in the other gateway, and one waits there with the key.
  const reading = gather(other, id, 7)
  const sent = open(`${other.url}/v1/chat/completions`, post('taken'))
  const joined = await sent
  expect(joined.headers['retrysafe-outcome']).toBe('joined')
  const brokenJoiner = expect(once(joined.resume(), 'end')).rejects.toThrow()
  const brokenFirst = expect(once(first, 'end')).rejects.toThrow()
  await killed.kill()
  await Promise.all([brokenFirst, brokenJoiner])

  // From here on many ask again and again, while the retry takes the run over and ends it.
  const seen: (Resumed & { offset: number })[] = []
  let isOver = false
  const asking = Array.from({ length: 4 }, async (_, asker) => {
    for (let turn = 0; !isOver; turn += 1) {
      const offset = (asker * 31 + turn * 7) % (whole.byteLength + 5)
      seen.push({ offset, ...(await gather(other, id, offset)) })
    }
  })
  const retry = await open(`${other.url}/v1/chat/completions`, post('taken'))
  const newId = String(retry.headers['retrysafe-stream'])
  await followArrivals(retry).until(frame('b'))
  expect(newId).not.toBe(id)
  // While it runs, and at all offsets, those of the newer run too.
  for (const offset of [0, 1, begun.byteLength, whole.byteLength]) {
    expect(problemOf(await resume(other, id, offset))).toEqual(superseded)
  }
  const live = resume(other, newId, 3)
  const ended = once(retry, 'end')
  runs
    .get('taken')
    ?.at(-1)
    ?.end(frame('b') + last)
  await ended
  expect((await live).body.equals(whole.subarray(3))).toBe(true)
  const superseding = seen.length
  await eventually(() => seen.length).toBeGreaterThan(superseding + 8)
  isOver = true
  await Promise.all(asking)

  for (const { offset, status, text, isWhole } of [{ offset: 7, ...(await reading) }, ...seen]) {
    if (status === undefined || status === 200) {
      expect([offset, isWhole]).toEqual([offset, false])
      expect(begun.toString('latin1', offset).startsWith(text)).toBe(true)
    } else expect(text).toMatch(/"code":"(STREAM_UNKNOWN|STREAM_SUPERSEDED|OFFSET_INVALID)"/)
  }
  // Once superseded, it is so for ever.
  const statuses = seen.slice(superseding + 4).map(({ status }) => status)
  expect(statuses).toEqual(Array(statuses.length).fill(410))
  expect(upstream.received.filter(request => request.headers['idempotency-key'] === 'taken')).toHaveLength(2)
  for (let offset = 0; offset <= whole.byteLength; offset += 1) {
    expect((await resume(other, newId, offset)).body.equals(whole.subarray(offset))).toBe(true)
  }
})

test('an id with any bit changed, cut, longer, mixed or another’s is no id: one and the same 404, at any offset', async () => {
  const [one, other] = await startPair()
  const [id, next, foreign] = await Promise.all([
    beginAndFinish(one, 'mine'),
    beginAndFinish(one, 'mine-too'),
    beginAndFinish(one, 'theirs', stranger),
  ])
  const bytes = Buffer.from(id, 'base64url')
  expect(bytes).toHaveLength(57)
  const flipped = Array.from({ length: 57 * 8 }, (_, bit) => {
    const copy = Buffer.from(bytes)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    return copy.toString('base64url')
  })
  const cut = Array.from({ length: id.length - 1 }, (_, at) => id.slice(0, at + 1))
  // The record of one and the generation or the signature of the other.
  const mixed = [1, 33, 41].flatMap(at => {
    const others = Buffer.from(next, 'base64url')
    const mix = (head: Buffer, tail: Buffer): string =>
      Buffer.concat([head.subarray(0, at), tail.subarray(at)]).toString('base64url')
    return at === 1 ? [] : [mix(bytes, others), mix(others, bytes)]
  })
  const longer = [`${id}A`, `${id}=`, `${id}${id}`, 'A'.repeat(20_000), `${id}%00`, `%20${id}`, id.replace(/.$/, '~')]
  const forged = [...flipped, ...cut, ...mixed, ...longer, foreign]
  const asked = forged.map((name, at) =>
    resume(at % 2 === 0 ? one : other, name, [0, 1, 'nonsense', -1, '9'.repeat(30)][at % 5] ?? 0),
  )
  const answers = await Promise.all(asked)
  expect(answers.map(problemOf)).toEqual(Array(forged.length).fill(unknown))
  const words = answers.map(({ headers, text }) => ({ ...headers, date: '', text }))
  expect(words).toEqual(Array(forged.length).fill(words[0]))
  // Mine is not theirs, and theirs is theirs.
  expect(problemOf(await resume(other, id, 0, stranger))).toEqual(unknown)
  for (const [name, headers] of [
    [id, credential],
    [next, credential],
    [foreign, stranger],
  ] as const) {
    expect((await resume(other, name, 0, headers)).text).toBe(frame('a') + last)
  }
})
