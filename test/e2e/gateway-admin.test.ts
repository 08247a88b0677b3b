import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, jsonOf } from '../support/exchange.ts'
import { isRedis, startGateway } from '../support/gateway.ts'
import { listRecords, recordOf, stateOf } from '../support/records.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const records = `${gateway.admin}/api/v1/records`

function charge(key: string, fault = ''): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{}' })
}

async function idOf(key: string): Promise<string> {
  const record = await recordOf(gateway.admin, key)
  if (record === undefined) throw new Error(`no record goes by ${key}`)
  return record.id
}

function read(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(url, { method: 'GET', headers })
}

function purge(id: string, query = ''): Promise<Answer> {
  return ask(`${records}/${id}${query}`, { method: 'DELETE' })
}

function resolve(id: string, body = '{"as":"free"}', type = 'application/json'): Promise<Answer> {
  return ask(`${records}/${id}/resolve`, { headers: { 'Content-Type': type }, body })
}

test('livez and readyz, on both listeners', async () => {
  for (const base of [gateway.admin, `${gateway.url}/_retrysafe`]) {
    for (const path of ['livez', 'readyz']) {
      const answer = await read(`${base}/${path}`)
      expect([answer.status, answer.text]).toEqual([200, 'ok\n'])
    }
  }
})

describe('the list of records', () => {
  test('goes by pages of `limit`, each record once, until no cursor is left', async () => {
    for (const key of ['page-1', 'page-2', 'page-3', 'page-4', 'page-5']) await charge(key)
    const keys: unknown[] = []
    const sizes: number[] = []
    let query = '?limit=2&state=completed'
    while (query !== '') {
      const page = Object(jsonOf(await read(records + query)))
      sizes.push(page.records.length)
      keys.push(...page.records.map((record: { label: { key: string } }) => record.label.key))
      query = page.cursor === undefined ? '' : `?limit=2&state=completed&cursor=${page.cursor}`
    }
    expect(keys.sort()).toEqual(['page-1', 'page-2', 'page-3', 'page-4', 'page-5'])
    expect(sizes.every(size => size <= 2)).toBe(true)
  })

  test('can be asked for one state', async () => {
    await charge('state-completed')
    await charge('state-open', 'status=500')
    const running = charge('state-running', 'delay=500ms')
    await eventually(() => stateOf(gateway.admin, 'state-running')).toBe('running')
    for (const state of ['completed', 'open', 'running']) {
      const listed = await listRecords(gateway.admin, `?state=${state}`)
      expect(listed.map(record => record.state)).toContain(state)
      expect(new Set(listed.map(record => record.state)).size).toBe(1)
      expect(listed.map(record => record.label.key)).toContain(`state-${state}`)
    }
    await running
  })

  test.each(['?limit=0', '?limit=1001', '?limit=many', '?state=lost', '?cursor=%20'])('refuses %s', async query => {
    expect((await read(records + query)).status).toBe(400)
  })
})

test('one record says what it is', async () => {
  await charge('one')
  const shown = await read(`${records}/${await idOf('one')}`)
  expect(shown.status).toBe(200)
  expect(jsonOf(shown)).toMatchObject({
    state: 'completed',
    attempt: 1,
    maxAttempts: 3,
    onCrash: 'rerun',
    label: { key: 'one', operation: 'default', method: 'POST', path: '/effects/charge' },
  })
  expect((await read(`${records}/${'A'.repeat(43)}`)).status).toBe(404)
  expect((await read(`${records}/..%2f..`)).status).toBe(404)
})

describe('purge', () => {
  test('frees a key: the next call runs', async () => {
    await charge('purged')
    const id = await idOf('purged')
    expect((await purge(id)).status).toBe(200)
    // In Redis, which may lose records, a tombstone keeps a late answer from bringing this one back.
    const left = await read(`${records}/${id}`)
    if (isRedis) expect(jsonOf(left)).toMatchObject({ state: 'purged' })
    else expect(left.status).toBe(404)
    expect((await purge(id)).status).toBe(404)
    expect((await charge('purged')).headers['retrysafe-outcome']).toBe('executed')
    expect(await sandbox.meter.runs('purged')).toBe(2)
  })

  test('of a running record needs force; what that run brings in the end is nobody’s outcome', async () => {
    const first = charge('forced', 'delay=600ms, times=1')
    await eventually(() => sandbox.meter.runs('forced')).toBe(1)
    const id = await idOf('forced')
    const refused = await purge(id)
    expect(refused.status).toBe(409)
    expect(refused.text).toContain('force=true')
    expect(await stateOf(gateway.admin, 'forced')).toBe('running')
    expect((await purge(id, '?force=maybe')).status).toBe(400)

    expect((await purge(id, '?force=true')).status).toBe(200)
    await charge('forced', 'delay=600ms, times=1')
    await first
    // The run that the purge took the record from has brought no outcome; the one after it has.
    const kept = await charge('forced', 'delay=600ms, times=1')
    expect([kept.text, kept.headers['retrysafe-outcome']]).toEqual([
      '{"effect":"charge","run":2,"count":2}',
      'replayed',
    ])
    expect(await sandbox.meter.runs('forced')).toBe(2)
  })

  test('of a running record, by force, is no second run: nobody has asked for one', async () => {
    const first = charge('forced-only', 'delay=400ms, times=1')
    await eventually(() => sandbox.meter.runs('forced-only')).toBe(1)
    expect((await purge(await idOf('forced-only'), '?force=true')).status).toBe(200)
    await first.catch(() => undefined)
    expect(await sandbox.meter.runs('forced-only')).toBe(1)
  })
})

describe('resolve', () => {
  test('refuses what is not unknown', async () => {
    await charge('known')
    expect((await resolve(await idOf('known'))).status).toBe(409)
    expect((await charge('known')).headers['retrysafe-outcome']).toBe('replayed')
    const running = charge('still-running', 'delay=400ms')
    await eventually(() => sandbox.meter.runs('still-running')).toBe(1)
    expect((await resolve(await idOf('still-running'))).status).toBe(409)
    expect((await running).status).toBe(200)
    expect((await resolve('A'.repeat(43))).status).toBe(404)
  })

  test('takes {"as":"free"} as JSON, and nothing else', async () => {
    await charge('body')
    const id = await idOf('body')
    for (const body of ['{}', '{"as":"done"}', 'null', '{"as":']) expect((await resolve(id, body)).status).toBe(400)
    expect((await resolve(id, '{"as":"free"}', 'text/plain')).status).toBe(415)
  })
})

describe('who may ask', () => {
  test.each<[string, Record<string, string>, number]>([
    ['localhost', { Host: 'localhost:8788' }, 200],
    ['the loopback address', { Host: '127.0.0.1' }, 200],
    ['another name (DNS rebinding)', { Host: 'evil.example' }, 403],
    ['a name that begins like ours', { Host: 'localhost.evil.example:8788' }, 403],
    ['a page of another site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['a page of a sister site', { 'Sec-Fetch-Site': 'same-site' }, 403],
  ])('%s', async (_, headers, status) => {
    expect((await read(records, headers)).status).toBe(status)
    expect((await ask(`${records}/${'A'.repeat(43)}`, { method: 'DELETE', headers })).status).toBe(
      status === 200 ? 404 : 403,
    )
  })

  test('with a token only who has it; livez and readyz are for everybody', async () => {
    const token = 'token-of-the-operator'
    // On every address of the machine: only with a token.
    const guarded = await startGateway(sandbox.url, ['--admin-host', '0.0.0.0', '--admin-token', token])
    onTestFinished(guarded.stop)
    const url = `${guarded.admin}/api/v1/records`
    expect((await read(url)).status).toBe(401)
    expect((await read(url, { Authorization: 'Bearer token-of-somebody-els' })).status).toBe(401)
    expect((await read(url, { Authorization: `Bearer ${token}` })).status).toBe(200)
    expect((await read(`${guarded.admin}/livez`)).status).toBe(200)
    expect((await read(`${guarded.admin}/readyz`)).status).toBe(200)
  })
})

test('no credential and no body shows in any admin answer, in any header of ours, or on stderr', async () => {
  const secrets = ['sk-hidden-1', 'sk-hidden-2', 'sk-hidden-3', 'hidden-body']
  const credentials = { Authorization: `Bearer ${secrets[0]}`, 'x-api-key': secrets[1] }
  const answers: Answer[] = []
  for (const [at, fault] of ['', 'status=500', 'cut-before-head', 'cut-after=3'].entries()) {
    const headers = { ...credentials, 'Idempotency-Key': `secret-${at}`, 'Sandbox-Fault': fault }
    const question = { headers, body: '{"prompt":"hidden-body"}' }
    answers.push(await ask(`${gateway.url}/effects/charge?key=${secrets[2]}`, question))
    answers.push(await ask(`${gateway.url}//effects/charge?key=${secrets[2]}`, question))
  }
  answers.push(await read(records), await read(`${gateway.admin}/api/v1/unknown`))
  for (const { id } of await listRecords(gateway.admin)) answers.push(await read(`${records}/${id}`))
  expect(await recordOf(gateway.admin, 'secret-0')).toBeDefined()
  const told = answers.map(answer => JSON.stringify(answer.headers) + answer.text).join('\n') + gateway.stderr()
  for (const secret of secrets) expect(told).not.toContain(secret)
})
