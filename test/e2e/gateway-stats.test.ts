import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask } from '../support/exchange.ts'
import { findFreePort } from '../support/free-port.ts'
import { type Gateway, makeStore, makeStoreFolder, startOneGateway } from '../support/gateway.ts'
import { runProgram } from '../support/program.ts'
import { startSandbox } from '../support/sandbox.ts'
import { chat, openAi, streamedChat } from '../support/sdk.ts'
import { readStats } from '../support/stats.ts'

const unused = await findFreePort()
const token = 'admin-token-of-this-test'
const prices = join(makeStoreFolder(), 'prices.json')
writeFileSync(
  prices,
  JSON.stringify({ asOf: '2026-05-01', providers: { sandbox: { 'sandbox-model': { input: 1_000, output: 10_000 } } } }),
)
const sandbox = await startSandbox()
afterAll(sandbox.stop)
const store = await makeStore()
const flags = [...store, '--lease', '1s', '--keyless', 'sdk-retries', '--prices', prices, '--admin-token', token]
const [first, second] = await Promise.all([start(), start()])

async function start(): Promise<Gateway> {
  const gateway = await startOneGateway(sandbox.url, flags)
  afterAll(gateway.stop)
  return gateway
}

function complete(
  gateway: Gateway,
  key: string,
  body: object,
  more: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const headers = {
    Authorization: 'Bearer sk-one',
    'Content-Type': 'application/json',
    'Idempotency-Key': key,
    ...more,
  }
  return ask(`${gateway.url}/v1/chat/completions`, { headers, body: JSON.stringify(body), ...(signal && { signal }) })
}

const authorized = { Authorization: `Bearer ${token}` }

const streamed = { ...streamedChat('one two'), stream_options: { include_usage: true } }

const nothing = { callsWithoutUsage: 0, callsWithoutPrice: 0, cachedInputTokens: 0, cacheWriteTokens: 0 }

test('what keys spent and saved, of both gateways on a store, in tokens and money', async () => {
  // Run once, then replayed: by the gateway that ran it, and by the other one, which must read what it used.
  await complete(first, 'plain', chat('one two three'))
  await complete(first, 'plain', chat('one two three'))
  await complete(second, 'plain', chat('one two three'))
  // Joined in the process that runs it, and in the other one.
  const slow = complete(first, 'stream', streamed, { 'Sandbox-Fault': 'delay=700ms' })
  await eventually(() => sandbox.meter.runs('stream')).toBe(1)
  await Promise.all([slow, complete(first, 'stream', streamed), complete(second, 'stream', streamed)])
  // An answer that says that it failed costs nothing; one that was cut is paid for, and nobody says how much.
  await complete(first, 'failed', chat('four'), { 'Sandbox-Fault': 'status=500' })
  await complete(first, 'cut', chat('four'), { 'Sandbox-Fault': 'cut-after=2' }).catch(() => {})
  // Cancelled because its client left: the provider may bill what it did by then.
  const leaving = new AbortController()
  const left = complete(
    first,
    'left',
    streamed,
    { 'Retrysafe-On-Disconnect': 'cancel', 'Sandbox-Fault': 'hang' },
    leaving.signal,
  )
  await eventually(() => sandbox.meter.runs('left')).toBe(1)
  leaving.abort()
  await left.catch(() => {})
  await eventually(async () => (await readStats(first.admin, authorized)).ledger.totals.lost.calls).toBe(2)
  // Refused: another payload. Without an answer of its own, a tenant gets no row by failing.
  await complete(first, 'plain', chat('five'))
  await complete(first, 'stranger', chat('six'), { Authorization: 'Bearer sk-two', 'Sandbox-Fault': 'status=500' })

  // What the other one counted goes to the store at the latest when it is drained.
  await second.stop()
  const { prices, ledger } = await readStats(first.admin, authorized)
  expect(prices).toEqual({ asOf: '2026-02-28', ownAsOf: '2026-05-01', currency: 'USD' })
  expect(Date.now() - Date.parse(ledger.since)).toBeLessThan(60_000)
  const lost = { ...nothing, calls: 2, callsWithoutUsage: 2, inputTokens: 0, outputTokens: 0, usd: null }
  const sums = {
    requests: 10,
    operations: 2,
    attempts: 5,
    failed: 1,
    refused: 1,
    replayed: 2,
    joined: 2,
    // As the sandbox's meter says: 3 and 7 tokens, 2 and 6; a million cost 1,000 and 10,000 USD.
    used: { ...nothing, calls: 2, inputTokens: 5, outputTokens: 13, usd: 0.135 },
    saved: { ...nothing, calls: 4, inputTokens: 10, outputTokens: 26, usd: 0.27 },
    lost,
  }
  const route = 'default /v1/chat/completions'
  // What was refused was not asked what it was for.
  const none = { ...nothing, calls: 0, inputTokens: 0, outputTokens: 0, usd: 0 }
  const zero = { requests: 0, operations: 0, attempts: 0, failed: 0, refused: 0, replayed: 0, joined: 0 }
  const spent = { used: none, saved: none, lost: none }
  expect(ledger.rows.map(({ tenant, ...row }) => row)).toEqual([
    { route, model: 'sandbox-model', ...sums, requests: 9, refused: 0 },
    { route, model: 'unknown', ...zero, requests: 1, refused: 1, ...spent },
    { route: 'other', model: 'other', ...zero, requests: 1, attempts: 1, failed: 1, ...spent },
  ])
  expect(ledger.rows.map(row => row.tenant)).toEqual([
    expect.stringMatching(/^[\w-]{8}$/),
    ledger.rows[0]?.tenant,
    'other',
  ])
  expect(ledger.totals).toEqual({ ...sums, requests: 11, attempts: 6, failed: 2 })
  const { tokens } = await sandbox.meter.all()
  expect(tokens).toEqual({ input: 8, output: 24 })

  await expectCommand(first)
}, 30_000)

/** A table for people, a line for programs, and what is told when there is nothing to read. */
async function expectCommand(gateway: Gateway): Promise<void> {
  const table = await runProgram(['stats', '--admin', gateway.admin, '--admin-token', token])
  expect([table.code, table.stderr]).toEqual([0, ''])
  for (const line of [
    '  11 requests: 2 operations in 6 attempts, 2 failed, 1 refused',
    '  runs avoided  4 (2 replayed, 2 joined): 36 tokens, 0.270000 USD',
    '  spent         18 tokens, 0.135000 USD',
    '  lost          2 attempts cut, cancelled or overtaken: unknown tokens, unknown USD (2 without usage)',
    'Prices in USD as of 2026-02-28 (shipped: check them), and of --prices as of 2026-05-01',
  ]) {
    expect(table.stdout.split('\n')).toContain(line)
  }
  const json = await runProgram(['stats', '--admin', gateway.admin, '--json'], { RETRYSAFE_ADMIN_TOKEN: token })
  expect(json.code).toBe(0)
  expect(JSON.parse(json.stdout)).toEqual(await readStats(gateway.admin, authorized))
}

test('an SDK’s retry that is paired with the run that its client left counts as a run avoided', async () => {
  const sdk = openAi(first.url, { apiKey: 'sk-sdk', maxRetries: 2 })
  const slow = { timeout: 1_000, headers: { 'Sandbox-Fault': 'delay=2s, times=1' } }
  const { ledger: before } = await readStats(first.admin, authorized)
  await sdk.chat.completions.create(chat('seven eight'), slow)
  const known = new Set(before.rows.map(({ tenant }) => tenant))
  const rows = async (): Promise<unknown[]> => {
    const { ledger } = await readStats(first.admin, authorized)
    return ledger.rows
      .filter(({ tenant }) => !known.has(tenant))
      .map(row => [row.requests, row.operations, row.attempts, row.replayed + row.joined, row.used.usd, row.saved.usd])
  }
  // 2 tokens in and 6 out, run once for both attempts.
  await eventually(rows).toEqual([[2, 1, 1, 1, 0.062, 0.062]])
})

test.each<[string, string[], number, RegExp]>([
  [
    'a wrong token',
    ['--admin', first.admin, '--admin-token', 'another-token-altogether'],
    1,
    /answered 401: .*admin-token/,
  ],
  [
    'nobody there',
    ['--admin', `http://127.0.0.1:${unused}`],
    1,
    /^retrysafe: no gateway answers at http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED\n$/,
  ],
  ['something else there', ['--admin', sandbox.url], 1, /answered 404/],
  ['no URL', ['--admin', 'here'], 2, /--admin: it takes a URL/],
])('`retrysafe stats` tells of %s', async (_, args, code, says) => {
  const ended = await runProgram(['stats', ...args])
  expect([ended.code, ended.stdout]).toEqual([code, ''])
  expect(ended.stderr).toMatch(says)
})

test('--prices says which file is wrong, and where in it', async () => {
  const wrong = join(makeStoreFolder(), 'wrong.json')
  writeFileSync(wrong, '{"asOf":"2026-05-01","providers":{"openai":{"gpt-4o":{"input":"2.5","output":10}}}}')
  const ended = await runProgram(['serve', '--upstream', sandbox.url, '--prices', wrong])
  expect([ended.code, ended.stderr]).toEqual([
    2,
    `retrysafe: --prices "${wrong}": providers.openai.gpt-4o.input: it takes USD per million tokens, 0 to 1000000\n`,
  ])
})
