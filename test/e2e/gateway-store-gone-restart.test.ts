import { afterAll, beforeEach, expect, test } from 'vitest'
import { openStoreBehindLines } from '../support/distant-store.ts'
import { eventually } from '../support/eventually.ts'
import { type Answer, ask, problemOf } from '../support/exchange.ts'
import type { Gateway } from '../support/gateway.ts'
import { recordOf } from '../support/records.ts'
import { startSandbox } from '../support/sandbox.ts'

const sandbox = await startSandbox()
afterAll(sandbox.stop)
beforeEach(sandbox.meter.reset)
const { server, open } = await openStoreBehindLines()

const leaseMs = 2_000
const graceMs = 2_000
const fault = 'delay=12s, times=1'

function charge(gateway: Gateway, key: string, more: Record<string, string> = {}): Promise<Answer> {
  const headers = { Authorization: 'Bearer sk-test', 'Idempotency-Key': key, 'Sandbox-Fault': fault, ...more }
  return ask(`${gateway.url}/effects/charge`, { headers, body: '{"amount":5}' })
}

test('a server that was down for longer than any lease: who lives is not taken over, who died is, after lease and grace', async () => {
  const store = await open()
  const start = (): Promise<Gateway> => store.serve(sandbox.url, ['--lease', `${leaseMs}ms`], 'direct')
  const [living, dying, other] = await Promise.all([start(), start(), start()])
  const keys = Array.from({ length: 20 }, (_, at) => `living-${at}`)
  const calls = keys.map(key => charge(living, key))
  const orphan = expect(charge(dying, 'orphan')).rejects.toThrow()
  await eventually(async () => (await sandbox.meter.all()).runs).toBe(21)

  await server.stop()
  const downMs = performance.now()
  await dying.kill()
  await orphan
  await eventually(() => performance.now() - downMs).toBeGreaterThan(leaseMs + graceMs + 500)
  // It cannot renew before the others ask.
  living.pause()
  const upMs = performance.now()
  await server.start()
  const hurried = await Promise.all([...keys, 'orphan'].map(key => charge(other, key, { 'Retrysafe-Wait': '0' })))
  const inFlight = { status: 409, code: 'IN_FLIGHT', shouldRetry: 'true' }
  expect(hurried.map(problemOf)).toEqual(Array(21).fill(inFlight))
  expect(performance.now() - upMs).toBeLessThan(leaseMs + graceMs)
  living.resume()

  const waiters = keys.map(key => charge(other, key))
  const successor = await charge(other, 'orphan')
  expect([successor.status, successor.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
  expect(performance.now() - upMs).toBeGreaterThan(leaseMs + graceMs)
  const answers = await Promise.all(calls)
  expect(answers.map(answer => answer.headers['retrysafe-outcome'])).toEqual(Array(20).fill('executed'))
  expect((await Promise.all(waiters)).map(answer => answer.text)).toEqual(answers.map(answer => answer.text))
  for (const key of keys) {
    expect(await recordOf(other.admin, key)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(await sandbox.meter.runs(key)).toBe(1)
  }
  expect(await recordOf(other.admin, 'orphan')).toMatchObject({ state: 'completed', attempt: 2 })
  expect(await sandbox.meter.runs('orphan')).toBe(2)
})
