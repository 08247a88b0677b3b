import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStoreFolder, startGateway } from '../support/gateway.ts'
import { runProgram } from '../support/program.ts'
import { startSandbox } from '../support/sandbox.ts'

const routes = [
  { match: '/effects/**', retention: '1h' },
  { match: '/effects/strict', keyless: 'require' },
  { match: '/effects/forked', keyReuse: 'fork' },
  { match: '/effects/short', retention: '1s' },
  { match: '/effects/put', methods: ['PUT'] },
  { match: '/effects/traced', leaveOut: ['/trace'] },
  { match: '/effects/team', tenant: 'header:X-Team' },
  { match: '/v1/chat/*', tenant: 'header:X-Team' },
]

/** A folder with this configuration in it. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = makeStoreFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

describe('routes of retrysafe.config.json', () => {
  let gateway: Gateway
  let stop: () => Promise<void>
  beforeAll(async () => {
    const sandbox = await startSandbox()
    // Found in the working directory.
    const folder = folderWith({ 'retrysafe.config.json': JSON.stringify({ wait: '5s', routes }) })
    gateway = await startGateway(sandbox.url, [], {}, ['env', '-C', folder])
    stop = async () => {
      await Promise.all([gateway.stop(), sandbox.stop()])
    }
  })
  afterAll(() => stop())

  function send(path: string, key: string | undefined, more: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const { method = 'POST', body = '{}', ...others } = more
    const keyed = key === undefined ? {} : { 'Idempotency-Key': key }
    const headers = { Authorization: 'Bearer sk-test', 'Content-Type': 'application/json', ...keyed, ...others }
    return ask(`${gateway.url}${path}`, { method, headers, body })
  }

  async function outcomeOf(...asked: Parameters<typeof send>): Promise<unknown> {
    const answer = await send(...asked)
    return answer.status < 400 ? answer.headers['retrysafe-outcome'] : problemOf(answer).code
  }

  test('keyless: a key is demanded there and nowhere else', async () => {
    expect(problemOf(await send('/effects/strict', undefined)).code).toBe('KEY_MISSING')
    expect((await send('/effects/stricter', undefined)).status).toBe(200)
    expect(await outcomeOf('/effects/strict', 'strict')).toBe('executed')
  })

  test('key reuse: a second payload is another call there, a mistake elsewhere', async () => {
    for (const path of ['/effects/forked', '/effects/plain']) await send(path, 'reuse', { body: '{"step":1}' })
    expect(await outcomeOf('/effects/forked', 'reuse', { body: '{"step":2}' })).toBe('executed')
    expect(await outcomeOf('/effects/plain', 'reuse', { body: '{"step":2}' })).toBe('KEY_REUSED')
  })

  test('retention: of overlapping patterns the narrower one holds', async () => {
    await Promise.all(['/effects/short', '/effects/long'].map(path => send(path, `kept${path}`)))
    await eventually(() => outcomeOf('/effects/short', 'kept/effects/short')).toBe('executed')
    expect(await outcomeOf('/effects/long', 'kept/effects/long')).toBe('replayed')
  })

  test('methods: those of the route count, and no others', async () => {
    expect(await outcomeOf('/effects/put', 'method')).toBe('bypassed')
    const put = { method: 'PUT' }
    const { headers } = await send('/effects/put', 'method', put)
    expect(headers['retrysafe-outcome']).toBe('executed')
  })

  test('members that are left out make no other request, and all others do', async () => {
    await send('/effects/traced', 'traced', { body: '{"amount":5,"trace":"a"}' })
    expect(await outcomeOf('/effects/traced', 'traced', { body: '{"trace":"b","amount":5.0}' })).toBe('replayed')
    expect(await outcomeOf('/effects/traced', 'traced', { body: '{"amount":5}' })).toBe('replayed')
    expect(await outcomeOf('/effects/traced', 'traced', { body: '{"amount":6,"trace":"a"}' })).toBe('KEY_REUSED')
    await send('/effects/untraced', 'traced', { body: '{"amount":5,"trace":"a"}' })
    expect(await outcomeOf('/effects/untraced', 'traced', { body: '{"amount":5,"trace":"b"}' })).toBe('KEY_REUSED')
  })

  test('tenant: named by the route’s header, whatever the credential', async () => {
    expect(await outcomeOf('/effects/team', 'team')).toBe('TENANT_MISSING')
    expect(await outcomeOf('/effects/team', 'team', { 'X-Team': 'red' })).toBe('executed')
    expect(await outcomeOf('/effects/team', 'team', { 'X-Team': 'red', Authorization: 'Bearer sk-b' })).toBe('replayed')
    expect(await outcomeOf('/effects/team', 'team', { 'X-Team': 'blue' })).toBe('executed')
  })

  test('a stream of such a route is resumed by its own tenant, and by no other', async () => {
    const model = { model: 'sandbox-model', stream: true, messages: [{ role: 'user', content: 'hello' }] }
    const first = await send('/v1/chat/completions', 'stream', { body: JSON.stringify(model), 'X-Team': 'red' })
    const id = first.headers['retrysafe-stream']
    expect(id).toMatch(/^[\w-]{76}$/)
    const read = (more: Record<string, string>): Promise<Answer> =>
      ask(`${gateway.url}/_retrysafe/streams/${id}?offset=10`, { method: 'GET', headers: more })
    expect((await read({ 'X-Team': 'red' })).text).toBe(first.text.slice(10))
    expect((await read({ 'X-Team': 'red', Authorization: 'Bearer sk-other' })).status).toBe(200)
    for (const stranger of [{ 'X-Team': 'blue' }, { Authorization: 'Bearer sk-test' }]) {
      expect(problemOf(await read(stranger)).code).toBe('STREAM_UNKNOWN')
    }
  })
})

describe('--config and --print-config', () => {
  test('what is in force and from where; secrets are masked, and nothing is started', async () => {
    const folder = folderWith({
      'retrysafe.config.js':
        'setInterval(() => {}, 1000); export default () => ({ lease: "5s", wait: "1m", routes: [{ match: "/openai/a", wait: "1s" }] })',
      token: 'topsecret-topsecret',
    })
    const { code, stdout, stderr } = await runProgram(
      ['serve', '--print-config', '--wait', '2m'],
      {
        RETRYSAFE_ADMIN_TOKEN_FILE: join(folder, 'token'),
        RETRYSAFE_STORE: 'postgres://me:topsecret@127.0.0.1:1/db',
      },
      ['env', '-C', folder],
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const file = join(folder, 'retrysafe.config.js')
    expect(JSON.parse(stdout)).toMatchObject({
      file,
      config: {
        port: { value: 8787, from: 'default' },
        lease: { value: '5s', from: 'file', name: `${file}: lease` },
        wait: { value: '2m', from: 'flag', name: '--wait' },
        store: { value: 'postgres://me:***@127.0.0.1:1/db', from: 'environment', name: 'RETRYSAFE_STORE' },
        adminToken: { value: '***', from: 'environment', name: 'RETRYSAFE_ADMIN_TOKEN_FILE' },
        scopeSecret: { value: null, from: 'default' },
      },
      routes: [{ match: '/openai/a', wait: '1s' }],
    })
    expect(stdout).not.toContain('topsecret')
  })

  test.each<[string, Record<string, string>, string[], string]>([
    [
      'a member that is none',
      { 'c.json': '{ "prot": 1 }' },
      ['--config', 'c.json'],
      'c.json: prot: there is no such member; did you mean port?',
    ],
    ['no such file', {}, ['--config', 'c.json'], '--config c.json: it cannot be read: ENOENT'],
    ['two files', { 'retrysafe.config.js': '', 'retrysafe.config.json': '{}' }, [], 'are both there'],
  ])('%s: exit 2, in one line', async (_, files, flags, message) => {
    const wrapper = ['env', '-C', folderWith(files)]
    const { code, stderr } = await runProgram(['serve', '--store', 'memory:', ...flags], {}, wrapper)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  test('RETRYSAFE_CONFIG names one, too', async () => {
    const folder = folderWith({ 'c.json': '{ "port": 1 }' })
    const environment = { RETRYSAFE_CONFIG: join(folder, 'c.json') }
    const { stdout } = await runProgram(['serve', '--print-config'], environment)
    expect(JSON.parse(stdout)).toMatchObject({ config: { port: { value: 1, from: 'file' } } })
  })
})
