import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, problemOf } from '../support/exchange.ts'
import { makeStoreFolder } from '../support/gateway.ts'
import { type Environment, type Program, startProgram } from '../support/program.ts'
import { type Answerer, freePort, startUpstream, type Upstream } from '../support/upstream.ts'

async function serve(args: readonly string[], environment: Environment): Promise<Program> {
  const store = { RETRYSAFE_STORE: `lmdb:${makeStoreFolder()}` }
  const program = await startProgram(['serve', ...args], { ...store, ...environment })
  onTestFinished(program.stop)
  return program
}

async function serveUpstream(answer: Answerer): Promise<Upstream> {
  const upstream = await startUpstream(answer)
  onTestFinished(upstream.stop)
  return upstream
}

function send(url: string, method: string): Promise<string | undefined> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': `key-${method}` }
  return ask(`${url}/thing`, { method, headers, body: '{}' }).then(
    answer => answer.headers['retrysafe-outcome'] as string | undefined,
  )
}

test('every flag can stand in the environment: upstream, ports, a list of methods', async () => {
  const upstream = await serveUpstream(response => response.end('{}'))
  const port = await freePort()
  const program = await serve([], {
    RETRYSAFE_UPSTREAM: upstream.url,
    RETRYSAFE_PORT: String(port),
    RETRYSAFE_ADMIN_PORT: '0',
    RETRYSAFE_METHODS: 'POST PUT',
  })
  expect(program.ready).toMatchObject({ event: 'ready', url: `http://127.0.0.1:${port}`, store: 'lmdb' })
  const url = program.ready['url'] ?? ''
  expect([await send(url, 'PUT'), await send(url, 'PUT')]).toEqual(['executed', 'replayed'])
  expect([await send(url, 'POST'), await send(url, 'POST')]).toEqual(['executed', 'replayed'])
  // PATCH, which counts by default, does not when others are named.
  expect([await send(url, 'PATCH'), await send(url, 'PATCH')]).toEqual(['bypassed', 'bypassed'])
  expect(upstream.received.map(request => request.method)).toEqual(['PUT', 'POST', 'PATCH', 'PATCH'])
})

test('a flag beats the environment, and replaces a list instead of adding to it', async () => {
  const wrong = await serveUpstream(response => response.end('{"wrong":true}'))
  const right = await serveUpstream(response => response.end('{"right":true}'))
  const flags = ['--upstream', right.url, '--port', '0', '--admin-port', '0', '--methods', 'PATCH']
  const program = await serve(flags, {
    RETRYSAFE_UPSTREAM: wrong.url,
    RETRYSAFE_PORT: '1',
    RETRYSAFE_METHODS: 'POST PUT',
    RETRYSAFE_KEYLESS: 'require',
  })
  const url = program.ready['url'] ?? ''
  expect([await send(url, 'PATCH'), await send(url, 'PATCH')]).toEqual(['executed', 'replayed'])
  expect(await send(url, 'PUT')).toBe('bypassed')
  const keyless = await ask(`${url}/thing`, { method: 'PATCH', body: '{}' })
  expect(problemOf(keyless)).toEqual({ status: 400, code: 'KEY_MISSING', shouldRetry: 'false' })
  expect(wrong.received).toEqual([])
})

test('the admin token may stand in a file, or in the environment, or in a flag; the nearest holds', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'retrysafe-e2e-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'token')
  await writeFile(file, 'token-from-the-file\n')
  const common = ['--upstream', 'http://127.0.0.1:9', '--port', '0', '--admin-port', '0']
  const inFile = { RETRYSAFE_ADMIN_TOKEN_FILE: file }
  const inVariable = { ...inFile, RETRYSAFE_ADMIN_TOKEN: 'token-from-the-variable' }
  const tokens = ['token-from-the-file', 'token-from-the-variable', 'token-from-the-flag', 'token-of-nobody-at-all']

  const programs = await Promise.all([
    serve(common, inFile),
    serve(common, inVariable),
    serve([...common, '--admin-token', 'token-from-the-flag'], inVariable),
  ])
  const statuses = programs.map(({ ready }) =>
    Promise.all(
      tokens.map(async token => {
        const headers = { Authorization: `Bearer ${token}` }
        return (await ask(`${ready['admin']}/api/v1/records`, { method: 'GET', headers })).status
      }),
    ),
  )
  expect(await Promise.all(statuses)).toEqual([
    [200, 401, 401, 401],
    [401, 200, 401, 401],
    [401, 401, 200, 401],
  ])
})

test('--record-status and --retention hold: another status is kept, and an outcome is gone after its time', async () => {
  const upstream = await serveUpstream((response, _, count) => response.writeHead(404).end(`{"call":${count}}`))
  const flags = ['--port', '0', '--admin-port', '0', '--record-status', '404', '--retention', '1s']
  const program = await serve(flags, { RETRYSAFE_UPSTREAM: upstream.url })
  const url = program.ready['url'] ?? ''
  expect([await send(url, 'POST'), await send(url, 'POST')]).toEqual(['executed', 'replayed'])
  await eventually(() => send(url, 'POST')).toBe('executed')
  expect(upstream.received).toHaveLength(2)
})

test.each<[string, string[], Environment, string]>([
  ['--expiry-aware', ['--expiry-aware'], {}, 'KEY_EXPIRED'],
  ['--expiry-aware on', ['--expiry-aware', 'on'], {}, 'KEY_EXPIRED'],
  ['the environment', [], { RETRYSAFE_EXPIRY_AWARE: 'on' }, 'KEY_EXPIRED'],
  ['off beats it', ['--expiry-aware', 'off'], { RETRYSAFE_EXPIRY_AWARE: 'on' }, 'none'],
  ['nothing', [], {}, 'none'],
])('a flag that is on or off: %s', async (_, flags, environment, code) => {
  const upstream = await serveUpstream(response => response.end('{}'))
  const ports = ['--port', '0', '--admin-port', '0']
  const program = await serve(['--upstream', upstream.url, ...ports, ...flags], environment)
  // In the year 2023.
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': '01890a5d-ac96-774b-bcce-b302099a8057' }
  const answer = await ask(`${program.ready['url']}/thing`, { method: 'POST', headers, body: '{}' })
  expect(answer.status === 200 ? 'none' : problemOf(answer).code).toBe(code)
  expect(upstream.received.length).toBe(code === 'none' ? 1 : 0)
})
