import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { MeterReport } from '../../src/sandbox/meter.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

interface Exchange {
  readonly end: 'whole' | 'cut' | 'no answer'
  readonly status?: number | undefined
  readonly length?: string | undefined
  readonly text: string
}

const stream = '{"messages":[{"role":"user","content":"hi"}],"stream":true}'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

/** One call, and how it ended on the wire; `see` is told what has come so far. */
function call(path: string, fault: string, body = '', see: (text: string) => void = () => {}): Promise<Exchange> {
  return new Promise(resolve => {
    const req = request(sandbox.url + path, { method: 'POST', agent: false, headers: { 'Sandbox-Fault': fault } })
    req.on('error', () => resolve({ end: 'no answer', text: '' }))
    req.on('response', res => {
      let text = ''
      const settle = (end: 'whole' | 'cut'): void =>
        resolve({ end, status: res.statusCode, length: res.headers['content-length'], text })
      res.on('data', chunk => {
        text += chunk
        see(text)
      })
      res.on('end', () => settle('whole'))
      res.on('error', () => settle('cut'))
    })
    req.end(body)
  })
}

async function runs(): Promise<number> {
  const report = (await (await fetch(`${sandbox.url}/meter`)).json()) as MeterReport
  return report.runs
}

async function untilRuns(count: number): Promise<void> {
  while ((await runs()) < count) await new Promise(setImmediate)
}

function frames(text: string): number {
  return text.match(/data: /g)?.length ?? 0
}

describe('on the wire', () => {
  test('delay: counted on receipt, answered afterwards', async () => {
    const begunMs = performance.now()
    let answered = false
    const answer = call('/effects/charge', 'delay=300ms').finally(() => {
      answered = true
    })
    await untilRuns(1)
    expect(answered).toBe(false)
    expect(await answer).toEqual({
      end: 'whole',
      status: 200,
      length: '37',
      text: '{"effect":"charge","run":1,"count":1}',
    })
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(299)
  })

  test('status: an error of that status instead of the work', async () => {
    const answer = await call('/effects/charge', 'status=500')
    expect(answer.status).toBe(500)
    expect(JSON.parse(answer.text)).toEqual({
      error: { message: 'Sandbox-Fault: status=500', type: 'server_error', param: null, code: null },
    })
    expect(await runs()).toBe(0)
  })

  test('status=429 with retry-after', async () => {
    const response = await fetch(`${sandbox.url}/effects/charge`, {
      method: 'POST',
      headers: { 'Sandbox-Fault': 'status=429, retry-after=7' },
    })
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(await response.json()).toEqual({
      error: {
        message: 'Sandbox-Fault: status=429',
        type: 'rate_limit_error',
        param: null,
        code: 'rate_limit_exceeded',
      },
    })
  })

  test('cut-after cuts a stream after that many chunks, whole ones', async () => {
    const answer = await call('/v1/chat/completions', 'cut-after=3', stream)
    expect(answer.end).toBe('cut')
    expect(answer.status).toBe(200)
    expect(frames(answer.text)).toBe(3)
    expect(answer.text.endsWith('\n\n')).toBe(true)
    expect(await runs()).toBe(1)
  })

  test.each([
    [0, 'cut', 0],
    [8, 'cut', 8],
    [9, 'whole', 8],
  ])('cut-after=%i of the 8 chunks there are: %s', async (pieces, end, count) => {
    const answer = await call('/v1/chat/completions', `cut-after=${pieces}`, stream)
    expect([answer.end, answer.status, frames(answer.text)]).toEqual([end, 200, count])
  })

  test('cut-after cuts a plain body after that many bytes of the length announced', async () => {
    expect(await call('/effects/charge', 'cut-after=5')).toEqual({
      end: 'cut',
      status: 200,
      length: '37',
      text: '{"eff',
    })
    expect(await call('/effects/charge', 'cut-after=0')).toEqual({ end: 'cut', status: 200, length: '37', text: '' })
    expect(await runs()).toBe(2)
    expect((await call('/effects/charge', 'cut-after=37')).end).toBe('whole')
  })

  test('cut-before-head: no answer at all, and paid', async () => {
    expect(await call('/effects/charge', 'cut-before-head')).toEqual({ end: 'no answer', text: '' })
    expect(await runs()).toBe(1)
  })

  test('hang: paid, the socket stays, no answer comes', async () => {
    let ended = false
    const hung = call('/effects/charge', 'hang').finally(() => {
      ended = true
    })
    await untilRuns(1)
    await call('/effects/other', '')
    expect(ended).toBe(false)
    await sandbox.close()
    expect(await hung).toEqual({ end: 'no answer', text: '' })
  })

  test('hang with cut-after: silent after that many chunks or bytes', async () => {
    for (const [path, body, expected] of [
      ['/v1/chat/completions', stream, 3],
      ['/effects/charge', '', '{"e'],
    ] as const) {
      let ended = false
      let seen = ''
      const hung = new Promise<Exchange>(resolve => {
        call(path, 'hang, cut-after=3', body, text => {
          seen = text
        }).then(exchange => {
          ended = true
          resolve(exchange)
        })
      })
      const size = (): number | string => (typeof expected === 'number' ? frames(seen) : seen)
      while (size() !== expected) await new Promise(setImmediate)
      await call('/effects/other', '')
      expect(ended).toBe(false)
      expect(size()).toBe(expected)
      await sandbox.close()
      expect((await hung).end).toBe('cut')
      sandbox = await startSandbox({ port: 0 })
    }
  })

  test('gap: a pause between the chunks', async () => {
    const begunMs = performance.now()
    const answer = await call('/v1/chat/completions', 'gap=30ms', stream)
    expect([answer.end, frames(answer.text)]).toEqual(['whole', 8])
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(7 * 29)
  })

  test('each chunk of a stream is a chunk of HTTP', async () => {
    const { hostname, port } = new URL(sandbox.url)
    const wire = await new Promise<string>(resolve => {
      let text = ''
      const socket = connect(Number(port), hostname, () => {
        socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`)
        socket.write(`Content-Length: ${stream.length}\r\n\r\n${stream}`)
      })
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('end', () => resolve(text))
    })
    expect(wire.match(/\r\n[0-9a-f]+\r\ndata: [^\r]*\n\n(?=\r\n)/g)).toHaveLength(8)
    expect(wire.endsWith('\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n')).toBe(true)
  })
})

describe('times', () => {
  async function status(fault: string, key?: string, path = '/effects/charge'): Promise<number> {
    const headers: Record<string, string> = { 'Sandbox-Fault': fault }
    if (key !== undefined) headers['Idempotency-Key'] = key
    const response = await fetch(sandbox.url + path, { method: 'POST', headers })
    await response.arrayBuffer()
    return response.status
  }

  test('the first N calls of a key are struck, later ones are healthy, other keys start anew', async () => {
    const fault = 'status=503, times=2'
    expect([await status(fault, 'a'), await status(fault, 'a'), await status(fault, 'a')]).toEqual([503, 503, 200])
    expect(await status(fault, 'b')).toBe(503)
    expect(await status(fault, 'a')).toBe(200)
  })

  test('without a key the path counts', async () => {
    const fault = 'status=503, times=1'
    expect([await status(fault), await status(fault)]).toEqual([503, 200])
    expect(await status(fault, undefined, '/effects/mail')).toBe(503)
    expect(await status(fault, '/effects/charge')).toBe(503)
  })

  test('other faults are another count, written with other spaces they are not', async () => {
    expect(await status('status=503, times=1', 'a')).toBe(503)
    expect(await status('status=502, times=1', 'a')).toBe(502)
    expect(await status('status=503,times=1', 'a')).toBe(200)
  })

  test('the --fault option strikes calls without the header; an empty header makes a call healthy', async () => {
    await sandbox.close()
    sandbox = await startSandbox({ port: 0, fault: 'status=500, times=1' })
    const post = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${sandbox.url}/effects/charge`, { method: 'POST', headers })
    expect((await post({ 'Sandbox-Fault': '' })).status).toBe(200)
    expect((await post({ 'Sandbox-Fault': 'status=418' })).status).toBe(418)
    expect((await post({})).status).toBe(500)
    expect((await post({})).status).toBe(200)
  })
})
