import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Meter } from '../../src/sandbox/meter.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts'

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterEach(() => sandbox.close())

async function post(path: string, headers: Record<string, string>, body = ''): Promise<number> {
  const response = await fetch(sandbox.url + path, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return response.status
}

async function meter(query = ''): Promise<string> {
  return (await fetch(`${sandbox.url}/meter${query}`)).text()
}

const pricing = '"pricing":{"token":"one word","inputUsdPer1000Tokens":0.01,"outputUsdPer1000Tokens":0.03}'
const nothing = '{"runs":0,"inputTokens":0,"outputTokens":0,"costUsd":0}'
const empty =
  '{"runs":0,"received":0,"failed":0,"rejected":0,"repeated":0,"tokens":{"input":0,"output":0},"costUsd":0,' +
  `${pricing},"byKey":{},"withoutKey":${nothing},"others":${nothing},"effects":{},"otherEffects":0}`

test('a new meter is all zeros', async () => {
  expect(await meter()).toBe(empty)
})

test('runs, tokens and cost are counted in all, by key and without a key', async () => {
  await post('/api/messages', { 'Idempotency-Key': 'a' }, '{"prompt":"one two"}')
  await post('/api/messages', { 'Idempotency-Key': 'a' }, '{"prompt":"one two"}')
  await post('/api/messages', {}, '{"prompt":"one"}')
  await post('/effects/charge', { 'Idempotency-Key': 'b' })
  expect(await meter()).toBe(
    '{"runs":4,"received":4,"failed":0,"rejected":0,"repeated":0,"tokens":{"input":5,"output":17},"costUsd":0.00056,' +
      `${pricing},"byKey":{"a":{"runs":2,"inputTokens":4,"outputTokens":12,"costUsd":0.0004},` +
      '"b":{"runs":1,"inputTokens":0,"outputTokens":0,"costUsd":0}},' +
      '"withoutKey":{"runs":1,"inputTokens":1,"outputTokens":5,"costUsd":0.00016},' +
      `"others":${nothing},"effects":{"charge":1},"otherEffects":0}`,
  )
  expect(await meter('?key=a')).toBe('{"runs":2,"inputTokens":4,"outputTokens":12,"costUsd":0.0004}')
  expect(await meter('?key=unknown')).toBe(nothing)
})

test('a failed and a rejected call are received, and no runs', async () => {
  expect(await post('/effects/charge', { 'Sandbox-Fault': 'status=500' })).toBe(500)
  expect(await post('/effects/charge', { 'Sandbox-Fault': 'explode' })).toBe(400)
  expect(await post('/v1/chat/completions', {}, 'no JSON')).toBe(400)
  expect(await post('/nowhere', {})).toBe(404)
  expect(JSON.parse(await meter())).toMatchObject({ runs: 0, received: 3, failed: 1, rejected: 2, effects: {} })
})

test('DELETE /meter goes back to zero, the run number and the turns of times=N too', async () => {
  const once = { 'Sandbox-Fault': 'status=500, times=1' }
  expect(await post('/effects/charge', once)).toBe(500)
  expect(await post('/effects/charge', once)).toBe(200)
  const response = await fetch(`${sandbox.url}/meter`, { method: 'DELETE' })
  expect(response.status).toBe(204)
  expect(response.headers.get('content-length')).toBe(null)
  expect(await meter()).toBe(empty)
  expect(await post('/effects/charge', once)).toBe(500)
  const again = await fetch(`${sandbox.url}/effects/charge`, { method: 'POST' })
  expect(await again.text()).toBe('{"effect":"charge","run":1,"count":1}')
})

test('a key may be named like a member of Object.prototype', async () => {
  await post('/effects/charge', { 'Idempotency-Key': '__proto__' })
  await post('/effects/charge', { 'Idempotency-Key': 'constructor' })
  const one = '{"runs":1,"inputTokens":0,"outputTokens":0,"costUsd":0}'
  expect(await meter()).toContain(`"byKey":{"__proto__":${one},"constructor":${one}}`)
  expect(await meter('?key=__proto__')).toBe(one)
  expect(await meter('?key=toString')).toBe(nothing)
})

test('a key is kept as it was sent, cut at 255 characters; an empty one is none', async () => {
  await post('/effects/charge', { 'Idempotency-Key': `${'k'.repeat(255)}-tail` })
  await post('/effects/charge', { 'Idempotency-Key': '"quoted"' })
  await post('/effects/charge', { 'Idempotency-Key': '' })
  const { byKey, withoutKey } = JSON.parse(await meter())
  expect(Object.keys(byKey)).toEqual(['k'.repeat(255), '"quoted"'])
  expect(withoutKey.runs).toBe(1)
  expect(JSON.parse(await meter(`?key=${'k'.repeat(300)}`)).runs).toBe(1)
})

test('past 100,000 keys and 10,000 effects, runs are still counted, under others', () => {
  const bounded = new Meter()
  const usage = { inputTokens: 1, outputTokens: 0 }
  for (let n = 0; n < 100_002; n += 1) bounded.countRun({ path: '/p', key: `k${n}` }, usage, `e${n % 10_003}`)
  bounded.countRun({ path: '/p', key: 'k0' }, usage, 'e0')
  const report = bounded.report()
  expect(Object.keys(report.byKey)).toHaveLength(100_000)
  expect(report.others).toEqual({ runs: 2, inputTokens: 2, outputTokens: 0, costUsd: 0.00002 })
  expect(report.byKey['k0']?.runs).toBe(2)
  expect(Object.keys(report.effects)).toHaveLength(10_000)
  expect(report.otherEffects).toBe(27)
  expect(bounded.next().effectCount('e10002')).toBe(28)
  expect(report.runs).toBe(100_003)
})

test('with a file, each count is a line there before the answer', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'retrysafe-meter-'))
  const file = join(folder, 'meter.jsonl')
  await sandbox.close()
  sandbox = await startSandbox({ port: 0, meterFile: file })
  try {
    await post(
      '/api/messages?key=secret',
      { 'Idempotency-Key': 'a', Authorization: 'Bearer secret' },
      '{"prompt":"one"}',
    )
    expect(await readFile(file, 'utf8')).toBe(
      '{"counted":"run","run":1,"path":"/api/messages","key":"a","inputTokens":1,"outputTokens":5,"costUsd":0.00016}\n',
    )
    await post('/effects/charge', { 'Sandbox-Fault': 'status=503' })
    await post('/effects/charge', { 'Sandbox-Fault': 'cut-before-head' }).catch(() => 'cut')
    await post('/v1/chat/completions', {})
    await fetch(`${sandbox.url}/meter`, { method: 'DELETE' })
    expect((await readFile(file, 'utf8')).split('\n').slice(1)).toEqual([
      '{"counted":"failed","path":"/effects/charge"}',
      '{"counted":"run","run":2,"path":"/effects/charge","effect":"charge","inputTokens":0,"outputTokens":0,"costUsd":0}',
      '{"counted":"rejected","path":"/v1/chat/completions"}',
      '{"counted":"reset"}',
      '',
    ])
  } finally {
    await rm(folder, { recursive: true })
  }
})
