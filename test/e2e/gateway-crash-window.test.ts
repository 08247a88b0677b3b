import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { RecordView } from '../../packages/retrysafe/src/engine/record.ts'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { openStore } from '../../packages/retrysafe/src/stores/open.ts'
import { type Answer, ask } from '../support/exchange.ts'
import { type Gateway, makeStore, startGateway, takeoverLease } from '../support/gateway.ts'
import { isStopped } from '../support/process-figures.ts'
import { startSandbox } from '../support/sandbox.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)

/** The moment lasts for less than a millisecond; missed, the next key has another. */
const maxTries = 200

function charge(gateway: Gateway, key: string): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

async function find(store: Store, key: string): Promise<RecordView | undefined> {
  const { records } = await store.list({ limit: 1_000 })
  return records.find(record => record.label.key === key)
}

/** Stops the gateway as soon as the store shows the claim; answers what the store shows then. */
async function stopAtClaim(gateway: Gateway, store: Store, key: string): Promise<RecordView | undefined> {
  for (;;) {
    if ((await find(store, key)) !== undefined) {
      gateway.pause()
      while (!isStopped(gateway.pid)) await turn()
      return find(store, key)
    }
    await turn()
  }
}

/** Asked twice: what was on its way to the sandbox at the first question is counted at the second. */
async function hasNothing(key: string): Promise<boolean> {
  return (await sandbox.meter.runs(key)) === 0 && (await sandbox.meter.runs(key)) === 0
}

/**
 * Kills a gateway between its claim of a key and the dispatch: stopped there, nothing has gone out, and the meter has
 * counted nothing. Under `fail` that is before the mark.
 *
 * @returns the key
 */
async function killAtClaim(gateway: Gateway, store: Store): Promise<string> {
  for (let tries = 0; tries < maxTries; tries++) {
    const key = `claimed-${tries}`
    const answer = charge(gateway, key)
    const broken = expect(answer).rejects.toThrow()
    broken.catch(() => {})
    const record = await stopAtClaim(gateway, store, key)
    const isBetween = record?.state === 'running' && (record.onCrash === 'rerun' || !record.sent)
    // What it sent to a server before it stopped may still arrive there.
    if (isBetween && (await staysAsItIs(store, key, record)) && (await hasNothing(key))) {
      await gateway.kill()
      await broken
      return key
    }
    gateway.resume()
    await answer
  }
  throw new Error(`${maxTries} claims, and none was seen before its dispatch`)
}

async function staysAsItIs(store: Store, key: string, record: RecordView): Promise<boolean> {
  for (let looks = 0; looks < 50; looks++) {
    if ((await find(store, key))?.sent !== record.sent) return false
  }
  return true
}

describe.each(['rerun', 'fail'] as const)('--on-crash %s', policy => {
  test('killed (-9) between claim and dispatch: the retry runs, 1 run', async () => {
    const [, url = ''] = await makeStore()
    const flags = ['--store', url, '--on-crash', policy, '--lease', takeoverLease]
    const [killed, other] = await Promise.all([startGateway(sandbox.url, flags), startGateway(sandbox.url, flags)])
    onTestFinished(killed.stop)
    onTestFinished(other.stop)
    const store = await openStore(url)
    onTestFinished(() => store.close())

    const key = await killAtClaim(killed, store)
    expect(await find(store, key)).toMatchObject({ state: 'running', attempt: 1, sent: policy === 'rerun' })
    const retry = await charge(other, key)
    expect([retry.status, retry.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
    expect(await sandbox.meter.runs(key)).toBe(1)
  })
})
