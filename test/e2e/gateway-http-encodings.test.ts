import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, open, problemOf } from '../support/exchange.ts'
import { type Gateway, startGateway, startOneGateway } from '../support/gateway.ts'
import { peakMemoryBytes } from '../support/process-figures.ts'
import { stateOf } from '../support/records.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream(response => response.end())
afterAll(upstream.stop)
const gateway = await startGateway(upstream.url)
afterAll(gateway.stop)

const plain = Buffer.from(`{"text":"${'long '.repeat(2_000)}"}`)

function answerWith(contentEncoding: string, body: Uint8Array): void {
  upstream.answerWith(response => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': contentEncoding })
    response.end(body)
  })
}

function send(key: string, to: Gateway = gateway): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Accept-Encoding': 'gzip, zstd' }
  return ask(`${to.url}/x`, { headers, body: '{}' })
}

let keys = 0
const newKey = (): string => `encoded-${++keys}`

describe('a recorded call asks for plain bytes, and takes off what comes all the same', () => {
  test.each<[string, Uint8Array]>([
    ['gzip', gzipSync(plain)],
    ['x-gzip', gzipSync(plain)],
    ['GZIP', gzipSync(plain)],
    ['deflate', deflateSync(plain)],
    ['deflate', deflateRawSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['gzip, br', brotliCompressSync(gzipSync(plain))],
    ['deflate,gzip , br', brotliCompressSync(gzipSync(deflateRawSync(plain)))],
    ['identity', plain],
    ['gzip, identity', gzipSync(plain)],
    // RFC 1952 §2.2: members one after the other are one body.
    ['gzip', Buffer.concat([gzipSync(plain.subarray(0, 5_000)), gzipSync(plain.subarray(5_000))])],
  ])('%s', async (contentEncoding, body) => {
    answerWith(contentEncoding, body)
    const key = newKey()
    for (const outcome of ['executed', 'replayed']) {
      const { headers, body: got } = await send(key)
      expect([got.equals(plain), headers['retrysafe-outcome']]).toEqual([true, outcome])
      expect(headers['content-encoding'] ?? 'identity').toBe('identity')
      expect(headers['content-length']).toBe(String(plain.byteLength))
    }
    expect(upstream.received.map(({ headers }) => headers['accept-encoding'])).toEqual(['identity'])
  })

  test('two lines of Content-Encoding are a list', async () => {
    upstream.answerWith(response => {
      response.writeHead(200, ['Content-Encoding', 'gzip', 'Content-Encoding', 'br'])
      response.end(brotliCompressSync(gzipSync(plain)))
    })
    expect((await send(newKey())).body.equals(plain)).toBe(true)
  })

  test('byte after byte', async () => {
    const body = brotliCompressSync(gzipSync(plain))
    upstream.answerWith(response => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip, br' })
      for (const byte of body) response.write(Buffer.from([byte]))
      response.end()
    })
    expect((await send(newKey())).body.equals(plain)).toBe(true)
  })
})

describe('an encoding that does not hold', () => {
  const random = gzipSync(Buffer.from(Array.from({ length: 4_000 }, (_, at) => (at * 7_919) % 251)))

  test.each<[string, string, Uint8Array]>([
    ['cut, gzip', 'gzip', gzipSync(plain).subarray(0, -9)],
    ['without its checksum', 'gzip', gzipSync(plain).subarray(0, -8)],
    ['with another checksum', 'gzip', Buffer.concat([gzipSync(plain).subarray(0, -8), Buffer.alloc(8)])],
    ['cut, deflate', 'deflate', deflateSync(plain).subarray(0, -1)],
    ['cut, raw deflate', 'deflate', deflateRawSync(plain).subarray(0, -1)],
    ['cut, br', 'br', brotliCompressSync(plain).subarray(0, -1)],
    ['cut inside', 'gzip, br', brotliCompressSync(gzipSync(plain).subarray(0, -9))],
    ['cut outside', 'gzip, br', brotliCompressSync(gzipSync(plain)).subarray(0, -1)],
    ['a single byte of it', 'gzip', gzipSync(plain).subarray(0, 1)],
    ['another coding than it says', 'br', random],
    ['none at all', 'gzip', plain],
    ['in the other order', 'br, gzip', brotliCompressSync(gzipSync(plain))],
  ])('%s: 502, nothing kept, the retry runs', async (_, contentEncoding, body) => {
    answerWith(contentEncoding, body)
    const key = newKey()
    expect(problemOf(await send(key))).toEqual({ status: 502, code: 'UPSTREAM_UNREACHABLE', shouldRetry: 'true' })
    expect(await stateOf(gateway.admin, key)).toBe('open')
    answerWith('gzip', gzipSync(plain))
    expect((await send(key)).headers['retrysafe-outcome']).toBe('executed')
  })
})

test('padding behind an encoding is not the end of its body: cut in it, the body is not whole', async () => {
  upstream.answerWith(response => {
    const padded = Buffer.concat([gzipSync(plain), Buffer.alloc(100_000)])
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip', 'Content-Length': '100000000' })
    response.write(padded, () => setTimeout(() => response.destroy(), 100))
  })
  const key = newKey()
  await expect(send(key)).rejects.toThrow('aborted')
  expect(await stateOf(gateway.admin, key)).toBe('open')
  upstream.answerWith(response => {
    const padded = Buffer.concat([gzipSync(plain), Buffer.alloc(100_000)])
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' })
    response.end(padded)
  })
  expect((await send(newKey())).body.equals(plain)).toBe(true)
})

describe('an encoding that cannot be taken off here', () => {
  test.each(['zstd', 'compress', 'gzip, zstd', 'gzip, gzip, gzip, gzip, gzip'])(
    '%s: its caller has it as it came, nothing is kept, and the log says so once',
    async contentEncoding => {
      const own = await startOneGateway(upstream.url)
      onTestFinished(own.stop)
      const body = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3])
      answerWith(contentEncoding, body)
      for (const call of [1, 2]) {
        const answer = await send(`coding-${call}`, own)
        expect(answer.body.equals(body)).toBe(true)
        expect(answer.headers['content-encoding']).toBe(contentEncoding)
        expect(answer.headers['retrysafe-outcome']).toBe('executed')
        expect(await stateOf(own.admin, `coding-${call}`)).toBe('open')
      }
      const line = `${upstream.url} encodes its answers with "${contentEncoding}" although it is asked not to`
      await eventually(() => own.stderr().split(line).length - 1).toBe(1)
    },
  )

  test('under --on-crash fail it is no failure that anybody reported: there is no second run', async () => {
    const failing = await startGateway(upstream.url, ['--on-crash', 'fail'])
    onTestFinished(failing.stop)
    answerWith('zstd', Buffer.from('zstd'))
    expect((await send('paid', failing)).text).toBe('zstd')
    expect(problemOf(await send('paid', failing))).toMatchObject({ status: 424, code: 'OUTCOME_UNKNOWN' })
    expect(upstream.received).toHaveLength(1)
  })

  test('control: without a key any encoding goes through as it is, and nobody says a word', async () => {
    const own = await startGateway(upstream.url)
    onTestFinished(own.stop)
    answerWith('zstd', Buffer.from('zstd'))
    const answer = await ask(`${own.url}/x`, { headers: { 'Accept-Encoding': 'zstd' }, body: '{}' })
    expect([answer.text, answer.headers['content-encoding']]).toEqual(['zstd', 'zstd'])
    expect(upstream.received[0]?.headers['accept-encoding']).toBe('zstd')
    expect(own.stderr()).toBe('')
  })
})

describe('a zip bomb', () => {
  const bytes = 1_073_741_824
  /** 1 GiB of zeros in about a megabyte: 64 members of 16 MiB, so that making it takes no such memory either. */
  const bomb = Buffer.concat(Array(64).fill(gzipSync(Buffer.alloc(bytes / 64), { level: 9 })))
  const grownBytes = 100_000_000

  test.each<[string, string, Uint8Array]>([
    ['plain', 'gzip', bomb],
    ['inside another', 'gzip, gzip', gzipSync(bomb)],
  ])(
    '%s: its caller gets all of it, it is not kept, and memory stays flat',
    async (_, contentEncoding, body) => {
      expect(bomb.byteLength).toBeLessThan(1_100_000)
      const own = await startOneGateway(upstream.url, ['--max-result', '1mb'])
      onTestFinished(own.stop)
      answerWith('gzip', gzipSync(plain))
      expect((await send('warm', own)).status).toBe(200)
      const beforeBytes = peakMemoryBytes(own.pid)

      answerWith(contentEncoding, body)
      const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': 'bomb' }
      let length = 0
      for await (const piece of await open(`${own.url}/x`, { headers, body: '{}' })) length += piece.byteLength
      expect(length).toBe(bytes)
      expect(peakMemoryBytes(own.pid) - beforeBytes).toBeLessThan(grownBytes)
      expect(problemOf(await send('bomb', own))).toMatchObject({ status: 424, code: 'RESULT_NOT_KEPT' })
      expect(upstream.received).toHaveLength(1)
    },
    90_000,
  )
})
