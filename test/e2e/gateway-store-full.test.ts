import { spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import { type Gateway, makeStoreFolder, startGateway, storeIn } from '../support/gateway.ts'
import { runProgram } from '../support/program.ts'
import { listRecords, stateOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'
import { keyed, openAi, streamedChat, take, takeAll } from '../support/sdk.ts'
import { startUpstream } from '../support/upstream.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)

const storeFull = { status: 503, code: 'STORE_FULL', shouldRetry: 'false' }

/** A command that runs another one with a small disk of its own, in memory, at `folder`. */
function withDisk(folder: string, size: string): readonly string[] {
  return ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs -o size=${size} none ${folder} && exec "$@"`, 'sh']
}

function canMount(): boolean {
  return spawnSync('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0
}

function charge(gateway: Gateway, key: string, fault = ''): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

/** Takes what is left of a disk, block by block; answers what gives it back. */
function fill(disk: string): () => void {
  const path = join(disk, 'ballast')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(4_096, 'x')
  try {
    for (;;) writeSync(file, block)
  } catch (error) {
    if (Object(error).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
  return () => rmSync(path)
}

/** Takes so much of a disk; answers what gives it back. */
function fillPart(disk: string, bytes: number): () => void {
  const path = join(disk, 'ballast')
  writeFileSync(path, Buffer.alloc(bytes, 'x'))
  return () => rmSync(path)
}

/** Runs new keys until one is refused; answers it. */
async function firstRefused(gateway: Gateway): Promise<string> {
  for (let at = 0; at < 500; at++) {
    const answer = await charge(gateway, `new-${at}`)
    if (answer.status === 200) continue
    expect(problemOf(answer)).toEqual(storeFull)
    return `new-${at}`
  }
  throw new Error('500 new keys found room on a full disk')
}

const largeBody = Buffer.alloc(900_000, 'large answers ')

/** A gateway on a disk of its own, before a provider of large answers. */
async function startBeforeLarge(size: string) {
  const runs = new Map<string, number>()
  const upstream = await startUpstream((response, request) => {
    const key = String(request.headers['idempotency-key'])
    runs.set(key, (runs.get(key) ?? 0) + 1)
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': largeBody.byteLength }).end(largeBody)
  })
  onTestFinished(upstream.stop)
  const folder = makeStoreFolder()
  const gateway = await startGateway(upstream.url, storeIn(folder), {}, withDisk(folder, size))
  onTestFinished(gateway.stop)
  const call = (key: string): Promise<Answer> =>
    ask(`${gateway.url}/large`, { headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key }, body: '{}' })
  const disk = join('/proc', String(gateway.pid), 'root', folder)
  return { gateway, disk, call, provider: { mostRuns: () => Math.max(...runs.values()) } }
}

async function listStates(gateway: Gateway, state: string): Promise<number> {
  return (await listRecords(gateway.admin)).filter(record => Object(record).state === state).length
}

// Mounting takes a right that not every machine gives.
describe.skipIf(!canMount())('a disk that is full', () => {
  test.each(['4k', '8k', '12k', '16k', '32k'])('of %s, at the start: exit 1 and one line', async size => {
    const folder = makeStoreFolder()
    const serve = ['serve', '--upstream', sandbox.url, '--port', '0', '--admin-port', '0', ...storeIn(folder)]
    const full = `no space is left for ${folder}: free some, or move the store`
    expect(await runProgram(serve, {}, withDisk(folder, size))).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: `retrysafe: --store: ${full}\n`,
    })
  })

  test('claims are refused, what runs reaches its callers, what is kept replays; with space again all is well', async () => {
    const folder = makeStoreFolder()
    const gateway = await startGateway(sandbox.url, storeIn(folder), {}, withDisk(folder, '1m'))
    onTestFinished(gateway.stop)
    // The disk is there only for the gateway: seen through it.
    const disk = join('/proc', String(gateway.pid), 'root', folder)
    expect(statSync(join(disk, 'data.mdb')).size).toBeGreaterThan(0)
    const kept = await charge(gateway, 'kept')
    const running = charge(gateway, 'running', 'delay=1s, times=1')
    const words = Array.from({ length: 20 }, (_, at) => `w${at}`).join(' ')
    const client = openAi(gateway.url)
    const stream = await client.chat.completions.create(streamedChat(words), keyed('stream', 'gap=40ms'))
    const chunks = stream[Symbol.asyncIterator]()
    const beginning = await take(chunks, 3)
    await eventually(() => sandbox.meter.runs('running')).toBe(1)

    const free = fill(disk)
    // Free pages within the file still take a few.
    const refused = await firstRefused(gateway)
    expect(await sandbox.meter.runs(refused)).toBe(0)
    // Whatever is refused: one line a minute on a disk that is full, and no word of its place to callers.
    const others = await Promise.all(Array.from({ length: 5 }, (_, at) => charge(gateway, `refused-${at}`)))
    for (const answer of [await charge(gateway, refused), ...others]) expect(answer.text).not.toContain(folder)
    const told = (): string[] =>
      gateway
        .stderr()
        .split('\n')
        .filter(line => line.includes('refused (503)'))
    await eventually(told).toEqual([
      `retrysafe: 1 request(s) refused (503): no space is left for ${folder}: free some, or move the store`,
    ])
    expect(gateway.stderr()).not.toContain('a request failed')
    expect((await charge(gateway, 'kept')).text).toBe(kept.text)
    const outcome = await running
    expect([outcome.status, outcome.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
    const whole = beginning + (await takeAll(chunks))
    expect(whole).toMatch(/^Run \d: you said: w0 .* w19$/)

    free()
    await eventually(async () => (await charge(gateway, refused)).status).toBe(200)
    for (const key of ['running', 'stream']) await eventually(() => stateOf(gateway.admin, key)).toBe('completed')
    const replay = await charge(gateway, 'running', 'delay=1s, times=1')
    expect([replay.text, replay.headers['retrysafe-outcome']]).toEqual([outcome.text, 'replayed'])
    const again = await client.chat.completions.create(streamedChat(words), keyed('stream', 'gap=40ms'))
    expect(await takeAll(again[Symbol.asyncIterator]())).toBe(whole)
    const runs = await Promise.all(['kept', 'running', 'stream', refused].map(sandbox.meter.runs))
    expect(runs).toEqual([1, 1, 1, 1])
  })

  // LMDB itself damages its memory there, and ends the process.
  test('with answers of many pages, forty at once: the process lives, and what was refused a place is recorded later', async () => {
    const { gateway, disk, call, provider } = await startBeforeLarge('8m')
    const free = fillPart(disk, 2_000_000)
    const first = await Promise.all(Array.from({ length: 40 }, (_, at) => call(`large-${at}`)))
    const served = first.filter(({ status }) => status === 200)
    const refused = first.filter(({ status }) => status !== 200)
    // They fit two or three times, but nobody knows how long an answer is going to be.
    expect(served.length).toBeGreaterThan(5)
    for (const { body } of served) expect(body.equals(largeBody)).toBe(true)
    for (let round = 0; round < 4; round++) {
      const more = await Promise.all(Array.from({ length: 10 }, (_, at) => call(`more-${round}-${at}`)))
      refused.push(...more.filter(({ status }) => status !== 200))
    }
    expect(refused.length).toBeGreaterThan(5)
    for (const answer of refused) expect(problemOf(answer)).toEqual(storeFull)
    expect((await ask(`${gateway.url}/_retrysafe/livez`, { method: 'GET' })).status).toBe(200)
    expect(gateway.stderr()).not.toContain('mdb_page_spill')

    const kept = await listStates(gateway, 'completed')
    free()
    await eventually(() => listStates(gateway, 'completed')).toBeGreaterThan(kept)
    const again = await Promise.all(Array.from({ length: 40 }, (_, at) => call(`large-${at}`)))
    expect(again.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(served.length)
    expect(provider.mostRuns()).toBe(1)
  })

  test('full of records alone: once some are removed there is room again, though the file is as large as before', async () => {
    const { gateway, disk, call } = await startBeforeLarge('8m')
    let refused = await call('first')
    for (let at = 0; refused.status === 200; at++) refused = await call(`filling-${at}`)
    expect(problemOf(refused)).toEqual(storeFull)
    const sizeBytes = statSync(join(disk, 'data.mdb')).size
    for (const record of await listRecords(gateway.admin)) {
      const { id } = Object(record)
      await ask(`${gateway.admin}/api/v1/records/${id}?force=true`, { method: 'DELETE' })
    }
    await eventually(async () => (await call('after')).status).toBe(200)
    await eventually(() => stateOf(gateway.admin, 'after')).toBe('completed')
    const replay = await call('after')
    expect([replay.headers['retrysafe-outcome'], replay.body.equals(largeBody)]).toEqual(['replayed', true])
    expect(statSync(join(disk, 'data.mdb')).size).toBeGreaterThanOrEqual(sizeBytes)
  })
})

describe('a limit on the size of a file', () => {
  test('is told like a full disk, at the start', async () => {
    const folder = makeStoreFolder()
    const serve = ['serve', '--upstream', sandbox.url, '--port', '0', '--admin-port', '0', ...storeIn(folder)]
    const ended = await runProgram(serve, {}, ['prlimit', '--fsize=20480', '--'])
    expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' })
    expect(ended.stderr).toBe(`retrysafe: --store: no space is left for ${folder}: free some, or move the store\n`)
  })
})
