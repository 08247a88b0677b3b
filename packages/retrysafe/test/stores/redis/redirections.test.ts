import { afterAll, expect, it, vi } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { startRedisCluster } from '../../../../../test/support/redis/cluster.ts'
import type { ClusterNode } from '../../../../../test/support/redis/cluster-node.ts'
import type { StoreKey, Token } from '../../../src/engine/record.ts'
import type { Store } from '../../../src/engine/store.ts'
import { acquire, outcomeOf, startLoad, step, travel } from './journeys.ts'
import { libraries } from './libraries.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const cluster = await startRedisCluster()
afterAll(() => cluster.discard())

/** Names whose records share a slot, as a hash tag alone decides. */
function namesOfOneSlot(slot: number, count: number): string[] {
  const names: string[] = []
  for (let at = 0; names.length < count; at++) if (slotOf(`name-${at}`) === slot) names.push(`name-${at}`)
  return names
}

/** CRC16 (XMODEM) modulo 16384, as in the Redis Cluster specification. */
function slotOf(tag: string): number {
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  }
  return (crc & 0xffff) % 16_384
}

function otherThan(node: ClusterNode): ClusterNode {
  const other = cluster.primaries.find(one => one !== node)
  if (other === undefined) throw new Error('the cluster has one node only')
  return other
}

/** With each library a store of its own: what happens to the cluster happens to all of them at the same time. */
const stores = libraries.map(({ name, store }, at) => {
  const prefix = `redirected${at}`
  return { name, prefix, store: store(cluster.url, prefix, 5_000), other: store(cluster.url, prefix, 5_000) }
})
afterAll(() => Promise.all(stores.flatMap(({ store, other }) => [store.close(), other.close()])))

const each = <Answer>(work: (one: (typeof stores)[number]) => Promise<Answer>): Promise<Answer[]> =>
  Promise.all(stores.map(work))

async function expectOutcomes(names: readonly string[]): Promise<void> {
  await each(async ({ store, name: library }) => {
    for (const name of names) expect(await outcomeOf(store, name), library).toBe(`first of ${name}, last`)
  })
}

async function travelAll(names: readonly string[]): Promise<void> {
  await each(async ({ store }) => {
    for (const name of names) await travel(store, name)
  })
}

it('a slot that moves there and back, and scripts that are flushed, cost no step', async () => {
  const slot = slotOf('name-0')
  const from = await cluster.nodeOf('{name-0}')
  const to = otherThan(from)
  const names = namesOfOneSlot(slot, 24)
  const loads = stores.map(({ store }) => startLoad(store, 'beside', 4))
  const travelling = Promise.all(names.map(name => travelAll([name])))
  await cluster.moveSlot(slot, from, to)
  await Promise.all(cluster.nodes.map(node => node.execute('SCRIPT', 'FLUSH')))
  await travelling
  await expectOutcomes(names)
  await cluster.moveSlot(slot, to, from)
  await expectOutcomes(names)
  await Promise.all(loads.map(load => load.stop()))
})

it('records are served all the time while their slot is half-way to another node', async () => {
  const slot = slotOf('name-1')
  const from = await cluster.nodeOf('{name-1}')
  const names = namesOfOneSlot(slot, 12)
  await travelAll(names.slice(0, 8))
  const move = await cluster.beginMove(slot, from, otherThan(from))
  try {
    await move.moveKeys(...stores.flatMap(({ prefix }) => names.slice(0, 4).map(name => `${prefix}:{${name}}`)))
    const beganMs = performance.now()
    // Moved ones and others; then new ones, which begin at the new node.
    await expectOutcomes(names.slice(0, 8))
    await travelAll(names.slice(8))
    const tookMs = performance.now() - beganMs
    console.info(`half-way: ${stores.length * (8 + 4 * 5)} steps in ${Math.round(tookMs)} ms`)
    expect(tookMs).toBeLessThan(3_000)
  } finally {
    await move.finish()
  }
  await expectOutcomes(names)
})

it('a step of an operation waits for the end of the move', async () => {
  const slot = slotOf('name-2')
  const from = await cluster.nodeOf('{name-2}')
  const key = 'name-2' as StoreKey
  const tokens = await each(({ store }) => acquire(store, 'name-2'))
  const tokenOf = (store: Store): Token => tokens[stores.findIndex(one => one.store === store)] as Token
  const move = await cluster.beginMove(slot, from, otherThan(from))
  let begun = 0
  // Its second key is not there yet, so that the old node does not know whether it has moved: TRYAGAIN.
  const beginning = each(async ({ store }) => {
    const answer = await store.stepStart(key, tokenOf(store), step)
    begun += 1
    return answer
  })
  await each(async ({ store }) => {
    expect((await store.renew(key, tokenOf(store), { leaseMs: 30_000 })).kind).toBe('ok')
  })
  expect(begun).toBe(0)
  await move.finish()
  expect(await beginning).toEqual(stores.map(() => ({ kind: 'begun', attempt: 1 })))
  await each(async ({ store }) => {
    const put = await store.stepPut(key, tokenOf(store), { id: 'step', value: Buffer.from('value') })
    expect(put).toEqual({ kind: 'ok' })
  })
})

it('goes on to hear of a record whose slot has moved', async () => {
  const slot = slotOf('name-3')
  const from = await cluster.nodeOf('{name-3}')
  const key = 'name-3' as StoreKey
  const hints = stores.map(() => 0)
  const subscriptions = stores.map(({ other }, at) =>
    other.subscribe(key, () => {
      hints[at] = (hints[at] ?? 0) + 1
    }),
  )
  const tokens = await each(({ store }) => acquire(store, 'name-3'))
  await cluster.moveSlot(slot, from, otherThan(from))
  for (const [at, { store }] of stores.entries()) {
    const before = hints[at] ?? 0
    const token = tokens[at] as Token
    await store.append(key, token, { offsetBytes: 0, bytes: Buffer.from('a') })
    await eventually(() => hints[at]).toBeGreaterThan(before)
  }
  for (const subscription of subscriptions) subscription.close()
})
