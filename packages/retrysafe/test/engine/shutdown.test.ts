import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openEngine } from '../../src/engine/engine.ts'
import type { Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterRun,
  type ManualEngine,
  openManualEngine,
  runOf,
  runPlain,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now } from '../support/manual-time.ts'
import { keyOf } from '../support/store-terms.ts'

let time: ManualTime
let store: Store
let faulty: FaultyStore
let a: ManualEngine
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, faulty.store, { seed: 1 })
  b = await openManualEngine(time, store, { seed: 2 })
})

describe('idle', () => {
  it('resolves at once when nothing runs', async () => {
    expect(await now(a.engine.idle())).toBeUndefined()
  })

  it('waits until every outcome is stored, and every release', async () => {
    const one = await enterRun(a.engine)
    const two = await enterRun(a.engine, { key: keyOf('k2') })
    const idle = a.engine.idle()
    const reply = gate()
    faulty.next('complete', { kind: 'hold', until: reply.until })
    const sealed = runPlain(one, 'answer')
    await time.advance(1_000)
    expect(await now(sealed)).toBe('sealed')
    await two.release('failed')
    expect(a.engine.running).toBe(1)
    expect(await now(idle)).toBe('pending')
    reply.open()
    expect(await now(idle)).toBeUndefined()
    expect((await store.get(keyOf('k')))?.state).toBe('completed')
  })

  it('takes as long as the store is gone, however many writes are repeated: Node is not made to warn of a leak', async () => {
    const warnings: string[] = []
    const note = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', note)
    onTestFinished(() => void process.off('warning', note))
    const attempts = await Promise.all(
      Array.from({ length: 12 }, (_, at) => enterRun(a.engine, { key: keyOf(`k${at}`) })),
    )
    faulty.always('release', { kind: 'reject' })
    const released = Promise.all(attempts.map(attempt => attempt.release('failed')))
    await time.advance(1_000)
    faulty.always('release', undefined)
    await time.advance(10_000)
    await released
    await new Promise(resolve => setImmediate(resolve))
    expect(a.engine.running).toBe(0)
    expect(warnings).toEqual([])
  })

  it('resolves for everybody who asked', async () => {
    const attempt = await enterRun(a.engine)
    const idlers = [a.engine.idle(), a.engine.idle()]
    await runPlain(attempt, 'answer')
    expect(await now(Promise.all(idlers))).toEqual([undefined, undefined])
  })
})

describe('giveUp', () => {
  it('lets another process take over after the grace alone', async () => {
    await enterRun(a.engine)
    await enterRun(a.engine, { key: keyOf('k2') })
    await a.engine.giveUp()
    const entry = b.engine.enter(callOf({ waitMs: 0 }))
    expect(describeEntry(await entry)).toBe('refused IN_FLIGHT wait over')
    time.jump(2_000)
    expect(describeEntry(await b.engine.enter(callOf()))).toBe('run')
    expect(describeEntry(await b.engine.enter(callOf({ key: keyOf('k2') })))).toBe('run')
  })

  it('is not undone by a beat that was on its way', async () => {
    await enterRun(a.engine)
    const late = gate()
    faulty.next('renew', { kind: 'hold', until: late.until })
    await time.advance(10_000)
    await a.engine.giveUp()
    late.open()
    await time.advance(2_000)
    expect(describeEntry(await b.engine.enter(callOf({ waitMs: 0 })))).toBe('run')
  })

  it('beats no more', async () => {
    await enterRun(a.engine)
    await a.engine.giveUp()
    const beats = faulty.count('renew')
    await time.advance(100_000)
    expect(faulty.count('renew')).toBe(beats)
  })

  it('ends the repeating of a write that does not get through', async () => {
    faulty.always('complete', { kind: 'reject' })
    const attempt = await enterRun(a.engine)
    const sealed = runPlain(attempt, 'answer')
    await time.advance(5_000)
    expect(await now(sealed)).toBe('sealed')
    await a.engine.giveUp()
    await time.advance(1)
    expect(await now(a.engine.idle())).toBeUndefined()
    const tries = faulty.count('complete')
    await time.advance(60_000)
    expect(faulty.count('complete')).toBe(tries)
  })

  it('does not wait for a store that is gone', async () => {
    await enterRun(a.engine)
    faulty.always('renew', { kind: 'reject' })
    expect(await now(a.engine.giveUp())).toBeUndefined()
  })
})

// Found by the simulation (seed 18211): an effect began on a lease that had just been given up.
describe('after giveUp', () => {
  it('begins nothing whose mark was under way, and frees its key', async () => {
    const attempt = await enterRun(a.engine, { onCrash: 'fail' })
    const reply = gate()
    faulty.next('renew', { kind: 'hold reply', until: reply.until })
    const begun = attempt.begin()
    await a.engine.giveUp()
    reply.open()
    expect(await now(begun)).toBe('lost')
    expect(await store.get(keyOf('k'))).toBeUndefined()
  })

  it('begins nothing whose claim was under way, and frees its key', async () => {
    const reply = gate()
    faulty.next('claim', { kind: 'hold reply', until: reply.until })
    const entering = a.engine.enter(callOf())
    await a.engine.giveUp()
    reply.open()
    expect(await now(runOf(await entering).begin())).toBe('lost')
    expect(await store.get(keyOf('k'))).toBeUndefined()
    expect(a.engine.running).toBe(0)
  })

  it('takes no more calls', async () => {
    await a.engine.giveUp()
    await expect(a.engine.enter(callOf())).rejects.toMatchObject({ code: 'DRAINING' })
    expect(faulty.count('claim')).toBe(0)
  })
})

describe('openEngine', () => {
  it('makes a scope secret once, and refuses another', async () => {
    expect(a.engine.identity.tenantNamed('t')).toBe(b.engine.identity.tenantNamed('t'))
    expect(a.engine.identity.tenantNamed('t')).not.toBe(a.engine.identity.tenantNamed('u'))
    const { surroundings } = time.process(9)
    const options = { store, surroundings }
    await expect(openEngine({ ...options, scopeSecret: new Uint8Array(32) })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    await expect(openEngine({ ...options, scopeSecret: new Uint8Array(15) })).rejects.toThrow(/15 bytes/)
  })

  it('sweeps in portions until close, and closes the store', async () => {
    await runPlain(await enterRun(a.engine, { retentionMs: 1_000 }), 'x')
    b.process.kill()
    await time.advance(30_000)
    expect(faulty.count('sweep')).toBeGreaterThanOrEqual(2)
    expect(await store.get(keyOf('k'))).toBeUndefined()
    await a.engine.close()
    const sweeps = faulty.count('sweep')
    await time.advance(60_000)
    expect(faulty.count('sweep')).toBe(sweeps)
    expect(faulty.count('close')).toBe(1)
  })

  it('goes on sweeping when the store fails once', async () => {
    faulty.next('sweep', { kind: 'reject' })
    await time.advance(60_000)
    expect(faulty.count('sweep')).toBeGreaterThanOrEqual(3)
  })
})
