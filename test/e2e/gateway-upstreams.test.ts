import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { makeStoreFolder, startGateway } from '../support/gateway.ts'
import { runProgram, startProgram } from '../support/program.ts'
import { rawPost, sayRaw } from '../support/raw-client.ts'
import { listRecords, recordOf } from '../support/records.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** Answers with its name and how often it was called. */
async function startNamed(name: string): Promise<Upstream> {
  const upstream = await startUpstream((response, _, count) => response.end(`{"from":"${name}","call":${count}}`))
  afterAll(upstream.stop)
  return upstream
}

const one = await startNamed('one')
const two = await startNamed('two')
const rest = await startNamed('rest')
const named = await startGateway([`one=${one.url}`, `two=${two.url}/base/`])
afterAll(named.stop)
const mixed = await startGateway([`one=${one.url}`, rest.url])
afterAll(mixed.stop)
const all = [one, two, rest]

function send(url: string, key: string, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(url, { headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, ...headers }, body: '{}' })
}

/** Who has been asked, and for what, by `calls`. */
async function asked(calls: () => Promise<unknown>): Promise<string[]> {
  const before = all.map(({ received }) => received.length)
  await calls()
  return all.flatMap(({ received }, at) => {
    return received.slice(before[at]).map(({ method, url }) => `${['one', 'two', 'rest'][at]}: ${method} ${url}`)
  })
}

describe('a name chooses its upstream, and stays behind', () => {
  test.each([
    ['/one/v1/things?a=/two/&b=%2F', ['one: POST /v1/things?a=/two/&b=%2F']],
    ['/two/v1/things', ['two: POST /base/v1/things']],
    ['/one/two/x', ['one: POST /two/x']],
    ['/one/', ['one: POST /']],
    ['/one', ['one: POST /']],
    ['/one?a=1', ['one: POST /?a=1']],
    ['/two', ['two: POST /base/']],
  ])('%s', async (path, expected) => {
    const key = `name-${path.length}-${path.replaceAll(/[^a-z0-9]/g, '-')}`
    const calls = async () => {
      expect((await send(named.url + path, key)).headers['retrysafe-outcome']).toBe('executed')
      expect((await send(named.url + path, key)).headers['retrysafe-outcome']).toBe('replayed')
    }
    expect(await asked(calls)).toEqual(expected)
  })

  test('also for what is passed through', async () => {
    const calls = async () => {
      await ask(`${named.url}/two/things?b=1`, { method: 'GET' })
      await ask(`${named.url}/one/things`, { method: 'DELETE' })
      await ask(`${named.url}/one/keyless`, { body: '{}' })
    }
    expect(await asked(calls)).toEqual(['one: DELETE /things', 'one: POST /keyless', 'two: GET /base/things?b=1'])
  })

  test('one key at two upstreams is two keys, and the records say which', async () => {
    const first = await send(`${named.url}/one/same`, 'same')
    const second = await send(`${named.url}/two/same`, 'same')
    expect([first, second].map(({ text }) => Object(JSON.parse(text)).from)).toEqual(['one', 'two'])
    expect([first, second].map(({ headers }) => headers['retrysafe-outcome'])).toEqual(['executed', 'executed'])
    const labels = (await listRecords(named.admin, '?limit=1000')).map(({ label }) => label)
    const ofKey = labels.filter(({ key }) => key === 'same').map(({ operation, path }) => `${operation} ${path}`)
    expect(ofKey.sort()).toEqual(['one /same', 'two /same'])
  })

  test('the provider is told by the path behind the name: a stream that is cut short is not kept', async () => {
    one.answerWith(response => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.end('data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    })
    for (const url of [`${named.url}/one/v1/chat/completions`, `${mixed.url}/one/v1/chat/completions`]) {
      await expect(send(url, 'cut')).rejects.toThrow()
    }
    expect((await recordOf(named.admin, 'cut'))?.state).toBe('open')
    one.answerWith((response, _, count) => response.end(`{"from":"one","call":${count}}`))
  })
})

describe('what no name serves', () => {
  const unknown = { status: 404, code: 'UPSTREAM_UNKNOWN', shouldRetry: 'false' }

  test.each([
    '/',
    '/three/x',
    '/One/x',
    '/ONE/x',
    '/onetwo/x',
    '/%6fne/x',
    '/one%2fx',
    '/one%2Fx/y',
    '/one;x/y',
    '/one%00/x',
    '/one%20/x',
    '/default/x',
    '/_retrysafe',
    '/__proto__/x',
    '/constructor/x',
  ])('%s', async path => {
    const calls = async () => {
      for (const method of ['POST', 'GET', 'OPTIONS']) {
        const answer = await ask(named.url + path, { method, headers: { 'Idempotency-Key': 'k' } })
        expect(problemOf(answer)).toEqual(unknown)
      }
    }
    expect(await asked(calls)).toEqual([])
  })

  test('is told with the names that are there, before anybody looks at the key or the credential', async () => {
    const answer = await send(`${named.url}/three/x`, 'not, a key')
    expect(problemOf(answer)).toEqual(unknown)
    expect(jsonOf(answer)).toMatchObject({
      detail:
        'No upstream serves this path; those that are served begin with /openai/ /anthropic/ /gemini/ /ollama/ /one/ /two/.',
    })
  })

  test('is served by an upstream without a name, if there is one: as it stands', async () => {
    const calls = async () => {
      for (const path of ['/', '/three/x', '/One/x', '/%6fne/x', '/openai/v1', '/default/x']) {
        await ask(mixed.url + path, { method: 'GET' })
      }
      await ask(`${mixed.url}/one/x`, { method: 'GET' })
    }
    expect(await asked(calls)).toEqual([
      'one: GET /x',
      'rest: GET /',
      'rest: GET /three/x',
      'rest: GET /One/x',
      'rest: GET /%6fne/x',
      'rest: GET /openai/v1',
      'rest: GET /default/x',
    ])
  })
})

describe('nothing in a request chooses another host', () => {
  const evil = () => two.url.replace('http://', '')

  test.each([
    ['an absolute target', () => `POST ${two.url}/x HTTP/1.1`],
    ['an authority', () => `POST ${evil()} HTTP/1.1`],
    ['an empty segment', () => `POST /one//${evil()}/x HTTP/1.1`],
    ['an empty segment first', () => `POST //${evil()}/one/x HTTP/1.1`],
    ['a dot segment', () => 'POST /one/../two/x HTTP/1.1'],
    ['a dot segment in percent signs', () => 'POST /one/%2e%2e/two/x HTTP/1.1'],
    ['a dot segment behind a slash in percent signs', () => 'POST /one%2f../two/x HTTP/1.1'],
    ['a dot segment before one', () => 'POST /one/..%2ftwo/x HTTP/1.1'],
    ['a dot segment with a parameter', () => 'POST /one/..;/two/x HTTP/1.1'],
    ['a single dot', () => 'POST /./one/x HTTP/1.1'],
    ['a backslash', () => 'POST /one\\..\\two HTTP/1.1'],
    ['a user', () => `POST /@${evil()}/x HTTP/1.1`],
    ['a fragment', () => `POST /one#@${evil()}/x HTTP/1.1`],
  ])('%s', async (_, line) => {
    const calls = async () => {
      const answer = await sayRaw(
        named.url,
        `${line()}\r\nHost: ${evil()}\r\nAuthorization: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 40[04] [\s\S]*"code":"(?:REQUEST_INVALID|UPSTREAM_UNKNOWN)"/)
    }
    expect(await asked(calls)).toEqual([])
  })

  test('control: the headers that name a host change nothing', async () => {
    const headers = {
      Host: evil(),
      'X-Forwarded-Host': evil(),
      Forwarded: `host=${evil()}`,
      'X-Original-URL': '/two/x',
    }
    expect(await asked(() => send(`${named.url}/one/host`, 'host', headers))).toEqual(['one: POST /host'])
    const seen = one.received.at(-1)?.headers
    expect(seen).toMatchObject({ host: one.url.replace('http://', ''), forwarded: `host=${evil()}` })
  })

  test.each([301, 302, 303, 307, 308])('a %i is handed back: no credential follows it', async status => {
    one.answerWith(response => response.writeHead(status, { Location: `${two.url}/taken` }).end())
    const calls = async () => {
      const answer = await send(`${named.url}/one/moved`, `moved-${status}`)
      expect([answer.status, answer.headers.location]).toEqual([status, `${two.url}/taken`])
    }
    expect(await asked(calls)).toEqual(['one: POST /moved'])
    one.answerWith((response, _, count) => response.end(`{"from":"one","call":${count}}`))
  })
})

describe('built in', () => {
  test('they are served when nobody names one; a program on /ollama is asked on its own port', async () => {
    const gateway = await startGateway([])
    onTestFinished(gateway.stop)
    const unknown = await send(`${gateway.url}/v1/chat/completions`, 'built-in')
    expect(jsonOf(unknown)).toMatchObject({
      code: 'UPSTREAM_UNKNOWN',
      detail: expect.stringContaining('/openai/ /anthropic/ /gemini/ /ollama/.'),
    })
    // Nobody listens there, or a real Ollama does, which knows no such path: it is asked in either case.
    const ollama = await send(`${gateway.url}/ollama/no-such-path`, 'built-in')
    expect([404, 502]).toContain(ollama.status)
    if (ollama.status === 502) expect(ollama.text).toContain('(ECONNREFUSED); nothing was sent')
    else expect(ollama.text).not.toContain('UPSTREAM_UNKNOWN')
  })

  test('one is replaced by its own name, the others stay', async () => {
    const gateway = await startGateway([`openai=${two.url}`])
    onTestFinished(gateway.stop)
    expect(await asked(() => send(`${gateway.url}/openai/v1/models`, 'replaced'))).toEqual(['two: POST /v1/models'])
    expect((await send(`${gateway.url}/v1/models`, 'replaced')).text).toContain('/anthropic/ /gemini/ /ollama/')
  })
})

test('the environment gives several, split at spaces; an empty variable gives none', async () => {
  const environment = {
    RETRYSAFE_STORE: `lmdb:${makeStoreFolder()}`,
    RETRYSAFE_UPSTREAM: ` a=${one.url}  b=${two.url} ${rest.url}`,
  }
  const ports = ['--port', '0', '--admin-port', '0']
  const program = await startProgram(['serve', ...ports], environment)
  onTestFinished(program.stop)
  const url = program.ready['url'] ?? ''
  const calls = async () => {
    for (const path of ['/a/x', '/b/x', '/c/x']) await ask(url + path, { method: 'GET' })
  }
  expect(await asked(calls)).toEqual(['one: GET /x', 'two: GET /x', 'rest: GET /c/x'])

  const empty = await startProgram(['serve', ...ports, '--store', 'memory:'], { RETRYSAFE_UPSTREAM: '' })
  onTestFinished(empty.stop)
  expect((await ask(`${empty.ready['url']}/x`, { method: 'GET' })).text).toContain('/openai/')
})

describe('on the command line', () => {
  test.each<[string, string[], Record<string, string>, RegExp]>([
    [
      'two without a name',
      ['--upstream', 'http://a', '--upstream', 'http://b'],
      {},
      /^retrysafe: --upstream: .*one URL/,
    ],
    ['a name twice', ['--upstream', 'a=http://a', '--upstream', 'a=http://b'], {}, /two have the name a$/],
    ['a bad name', ['--upstream', '_retrysafe=http://a'], {}, /_retrysafe cannot be a NAME$/],
    ['a credential', ['--upstream', 'a=http://me:hunter2@a'], {}, /without user and password$/],
    ['a query', [], { RETRYSAFE_UPSTREAM: 'http://a?key=hunter2' }, /^retrysafe: RETRYSAFE_UPSTREAM: .*without query/],
    ['nothing', ['--upstream', ''], {}, /http or https URL/],
  ])('%s: exit 2, one line, no secret', async (_, flags, environment, line) => {
    const ended = await runProgram(['serve', '--store', 'memory:', ...flags], environment)
    expect([ended.code, ended.stdout]).toEqual([2, ''])
    expect(ended.stderr.trimEnd()).toMatch(line)
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(ended.stderr).not.toContain('hunter2')
  })
})

test('a key that waits at one upstream does not hold up the same key at another', async () => {
  let finish = (): void => {}
  one.answerWith(response => {
    finish = () => response.end('{}')
  })
  const waiting = send(`${named.url}/one/slow`, 'slow')
  expect((await send(`${named.url}/two/slow`, 'slow')).status).toBe(200)
  await expect.poll(() => one.received.length, { timeout: 10_000 }).toBe(1)
  finish()
  expect((await waiting).status).toBe(200)
})

test('a body that nobody asked for goes by: the refusal arrives whatever its length', async () => {
  const body = 'x'.repeat(3_000_000)
  const answer = await sayRaw(named.url, rawPost('/three/x', { Connection: 'close' }, body))
  expect(answer).toContain('"code":"UPSTREAM_UNKNOWN"')
})
