import { Command } from 'commander'
import { afterEach, describe, expect, test } from 'vitest'
import { addRunFlags, type RunSettings, readRunSettings } from '../../../src/cli/batch/run-flags.ts'

const usual = ['--out', 'out.jsonl', '--base-url', 'http://127.0.0.1:1/v1']

function settingsOf(args: readonly string[]): RunSettings {
  const command = new Command('run').argument('<input>').exitOverride()
  addRunFlags(command)
  command.parse(['in.jsonl', ...args], { from: 'user' })
  return readRunSettings(command)
}

afterEach(() => {
  delete process.env['RETRYSAFE_STORE']
  delete process.env['SOME_KEY']
})

test('what holds when nothing else is said', () => {
  expect(settingsOf(usual)).toEqual({
    out: 'out.jsonl',
    base: { origin: 'http://127.0.0.1:1', path: '/v1' },
    errors: undefined,
    batchId: undefined,
    order: 'completion',
    concurrency: 16,
    requestsPerMinute: undefined,
    tokensPerMinute: undefined,
    retries: 4,
    maxAttempts: 10,
    onCrash: 'rerun',
    retentionMs: 2_592_000_000,
    leaseMs: 30_000,
    store: 'lmdb:./retrysafe-data',
    timeoutMs: 600_000,
    giveUpMs: 600_000,
    maxUsd: undefined,
    prices: undefined,
    limit: undefined,
    apiKey: undefined,
    headers: [],
    adaptive: true,
    dryRun: false,
    json: false,
  })
})

test('every flag is read', () => {
  process.env['SOME_KEY'] = 'sk-1'
  const given = [
    ...['--errors', 'e.jsonl', '--batch-id', 'nightly', '--order', 'input', '--concurrency', '64', '--no-adaptive'],
    ...['--requests-per-minute', '500', '--tokens-per-minute', '2000000', '--retries', '0', '--max-attempts', '3'],
    ...['--on-crash', 'fail', '--retention', '1d', '--lease', '10s', '--store', 'memory:', '--timeout', '30s'],
    ...['--give-up-after', '1m', '--max-cost', '$12.50', '--limit', '7', '--api-key-env', 'SOME_KEY', '--dry-run'],
    ...['--header', 'X-Team: a', '--header', 'X-Other: b', '--json'],
  ]
  expect(settingsOf([...usual, ...given])).toMatchObject({
    ...{ errors: 'e.jsonl', batchId: 'nightly', order: 'input', concurrency: 64, adaptive: false },
    ...{ requestsPerMinute: 500, tokensPerMinute: 2_000_000, retries: 0, maxAttempts: 3 },
    ...{ onCrash: 'fail', retentionMs: 86_400_000, leaseMs: 10_000, store: 'memory:', timeoutMs: 30_000 },
    ...{ giveUpMs: 60_000, maxUsd: 12.5, limit: 7, apiKey: 'sk-1', dryRun: true, json: true },
    headers: [
      { name: 'x-team', value: 'a' },
      { name: 'x-other', value: 'b' },
    ],
  })
})

test('RETRYSAFE_STORE names the store, a flag beats it, and an empty one says nothing', () => {
  process.env['RETRYSAFE_STORE'] = 'lmdb:./elsewhere'
  expect(settingsOf(usual).store).toBe('lmdb:./elsewhere')
  expect(settingsOf([...usual, '--store', 'memory:']).store).toBe('memory:')
  process.env['RETRYSAFE_STORE'] = ''
  expect(settingsOf(usual).store).toBe('lmdb:./retrysafe-data')
})

describe('a mistake is told with its flag, and no secret is shown', () => {
  test.each<[readonly string[], string]>([
    [[], '--out FILE is missing'],
    [['--out', 'out.jsonl'], '--base-url URL is missing'],
    [[...usual, '--base-url', 'https://sk-secret@h/v1'], '--base-url: it takes a URL without user and password'],
    [[...usual, '--concurrency', '0'], '--concurrency: it takes a whole number from 1 to 10000'],
    [[...usual, '--order', 'random'], '--order: it takes completion or input'],
    [[...usual, '--on-crash', 'panic'], '--on-crash: it takes rerun or fail'],
    [[...usual, '--max-cost', 'much'], '--max-cost: it takes US dollars'],
    [[...usual, '--max-cost', '0'], '--max-cost: it takes US dollars'],
    [[...usual, '--retention', '1y'], '--retention: it takes a duration'],
    [[...usual, '--retention', '31d'], '--retention: it takes 1s to 30d'],
    [[...usual, '--limit', '0'], '--limit: it takes a whole number from 1'],
    [[...usual, '--batch-id', ''], '--batch-id: it takes 1 to 1000 characters'],
    [[...usual, '--batch-id', 'a\nb'], '--batch-id: it takes 1 to 1000 characters'],
    [[...usual, '--prices', '/nowhere'], '--prices: it cannot be read: ENOENT'],
    [[...usual, '--api-key-env', 'NOT_THERE'], '--api-key-env: the variable NOT_THERE is not set'],
    [[...usual, '--api-key-env', 'sk-secret'], '--api-key-env: it takes the name of a variable'],
    [[...usual, '--header', 'Idempotency-Key: sk-secret'], '--header: idempotency-key is set by retrysafe itself'],
    [[...usual, '--store', 'memroy:sk-secret'], 'no store goes by memroy:'],
    [[...usual, '--store', 'lmdb:'], 'lmdb: takes a folder'],
  ])('%j', (args, message) => {
    let told = 'nothing was thrown'
    try {
      settingsOf(args)
    } catch (error) {
      told = String(error)
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    }
    expect(told).toContain(message)
    expect(told).not.toContain('sk-secret')
  })
})
