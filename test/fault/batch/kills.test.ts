import { expect, test } from 'vitest'
import { customIdOf } from './batch-input.ts'
import { concurrency, killBatch } from './batch-kills.ts'
import { readOutput } from './batch-verdict.ts'

// `npm run chaos:batch`: 20,000 items, the runner killed five times and the gateway twice.
const items = Number(process.env.ITEMS ?? 1_000)
/** Of the other ways, half as many in CI. */
const others = Number(process.env.ITEMS ?? 500)
const runnerKills = Number(process.env.KILLS ?? 2)
const gatewayKills = Number(process.env.ROUNDS ?? 1)
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const timeout = 60_000 + items * 20

const terms = { items: others, seed, runnerKills }

test('through a gateway: each item is there once, and only what was in flight when the gateway was killed is paid again', {
  timeout,
}, async () => {
  const run = await killBatch({ ...terms, items, title: 'through a gateway', gatewayKills })
  expect(run.keys).toBe(items)
  expect(run.extra).toBeLessThanOrEqual(concurrency * gatewayKills)
  expect(run.mostOfOneKey).toBeLessThanOrEqual(1 + gatewayKills)
})

test('through a gateway, the sandbox honours keys: each item is paid once', { timeout }, async () => {
  const run = await killBatch({ ...terms, title: 'through a gateway, keys honoured', gatewayKills, idempotent: true })
  expect([run.keys, run.extra, run.mostOfOneKey]).toEqual([others, 0, 1])
})

test('straight: each item is there once, and only what was in flight when the runner was killed is paid again', {
  timeout,
}, async () => {
  const run = await killBatch({ ...terms, title: 'straight' })
  expect(run.keys).toBe(others)
  expect(run.extra).toBeLessThanOrEqual(concurrency * runnerKills)
  expect(run.mostOfOneKey).toBeLessThanOrEqual(1 + runnerKills)
})

test('straight, the sandbox honours keys, in the order of the input: each item is paid once', { timeout }, async () => {
  const flags = ['--order', 'input']
  const run = await killBatch({ ...terms, title: 'straight, keys honoured, in order', idempotent: true, flags })
  expect([run.keys, run.extra, run.mostOfOneKey]).toEqual([others, 0, 1])
  const order = readOutput(run.output).map(line => line.custom_id)
  expect(order).toEqual(Array.from({ length: others }, (_, item) => customIdOf(item)))
})

test('straight, killed at half: the whole batch costs about one pass', { timeout }, async () => {
  const run = await killBatch({ ...terms, runnerKills: 1, title: 'straight, killed at half', at: 0.5 })
  expect(run.keys).toBe(others)
  expect(run.extra).toBeLessThanOrEqual(concurrency)
})
