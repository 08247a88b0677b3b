import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { type Machine, readMachine } from '../../../src/engine/machine.ts'
import type { Store } from '../../../src/engine/store.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { openLmdbStore } from '../../../src/stores/lmdb/store.ts'
import { ManualTime } from '../../support/manual-time.ts'
import { acquire, acquireToken, claimTerms, keyOf, piece } from '../../support/store-terms.ts'

const root = mkdtempSync(join(tmpdir(), 'retrysafe-machine-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folders = 0

/** Processes on one store folder; each test is one history of a machine. */
class World {
  readonly path: string = join(root, String(folders++))
  /** Who looks from the same boot and pid namespace sees that these are gone. */
  readonly gone = new Set<string>()

  /** @param place clock name, pid namespace, pid: `boot-1/ns-1/1` */
  open(place: string, time: ManualTime): Store {
    const clockName = place.split('/')[0] ?? ''
    const processName = `${place}/start`
    const isSeen = (name: string): boolean =>
      name.split('/').slice(0, 2).join('/') === place.split('/').slice(0, 2).join('/')
    const machine: Machine = {
      clockName,
      processName,
      isGone: name => isSeen(name) && this.gone.has(name),
      stoppedPid: () => undefined,
    }
    const store = openLmdbStore(this.path, { ...processSurroundings, clock: time.clock }, machine)
    onTestFinished(() => store.close())
    return store
  }

  kill(place: string): void {
    this.gone.add(`${place}/start`)
  }
}

async function kindOf(store: Store, owner: string): Promise<string> {
  return (await store.claim(claimTerms({ owner }))).kind
}

test('the record of a process that is gone is taken over at once', async () => {
  const [world, time] = [new World(), new ManualTime()]
  const [one, two] = [world.open('boot-1/ns-1/1', time), world.open('boot-1/ns-1/2', time)]
  await acquire(one, { owner: 'a' })
  world.kill('boot-1/ns-1/1')
  expect(await acquire(two, { owner: 'b' })).toMatchObject({ attempt: 2, token: { owner: 'b' } })
})

test('who was there a moment ago is believed to be there for 20 ms', async () => {
  const [world, time] = [new World(), new ManualTime()]
  const [one, two] = [world.open('boot-1/ns-1/1', time), world.open('boot-1/ns-1/2', time)]
  await acquire(one, { owner: 'a' })
  expect(await kindOf(two, 'b')).toBe('running')
  world.kill('boot-1/ns-1/1')
  time.jump(19)
  expect(await kindOf(two, 'b')).toBe('running')
  time.jump(1)
  expect(await kindOf(two, 'b')).toBe('acquired')
})

test('a late write of a process that was taken over is lost', async () => {
  const [world, time] = [new World(), new ManualTime()]
  const [one, two] = [world.open('boot-1/ns-1/1', time), world.open('boot-1/ns-1/2', time)]
  const token = await acquireToken(one, { owner: 'a' })
  world.kill('boot-1/ns-1/1')
  await acquire(two, { owner: 'b' })
  expect(await one.complete(keyOf('k'), token, piece(0, 'late'))).toBe('lost')
})

test('a process that lives keeps its record for lease and grace', async () => {
  const [world, time] = [new World(), new ManualTime()]
  const [one, two] = [world.open('boot-1/ns-1/1', time), world.open('boot-1/ns-1/2', time)]
  await acquire(one, { owner: 'a' })
  time.jump(31_999)
  expect(await kindOf(two, 'b')).toBe('running')
  time.jump(1)
  expect(await kindOf(two, 'b')).toBe('acquired')
})

test('of a process in another pid namespace only the lease tells, even when it is gone', async () => {
  const [world, time] = [new World(), new ManualTime()]
  const [one, two] = [world.open('boot-1/ns-1/1', time), world.open('boot-1/ns-2/2', time)]
  await acquire(one, { owner: 'a' })
  world.kill('boot-1/ns-1/1')
  expect(await two.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', leaseLeftMs: 30_000 })
  time.jump(31_999)
  expect(await kindOf(two, 'b')).toBe('running')
  time.jump(1)
  expect(await acquire(two, { owner: 'b' })).toMatchObject({ attempt: 2 })
})

test('after a reboot lease and grace count from when the record is first seen', async () => {
  const world = new World()
  const [before, after] = [new ManualTime(), new ManualTime()]
  const one = world.open('boot-1/ns-1/1', before)
  await acquire(one, { owner: 'a' })
  // An hour on the wall; the new boot's own clock has only begun.
  after.jumpWall(3_600_000)
  const two = world.open('boot-2/ns-1/1', after)
  expect(await two.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', leaseLeftMs: 30_000 })
  after.jump(31_999)
  expect(await two.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'running', leaseLeftMs: 0 })
  after.jump(1)
  expect(await acquire(two, { owner: 'b' })).toMatchObject({ attempt: 2 })
})

test('after a reboot it also counts for a follower, who only reads', async () => {
  const world = new World()
  const [before, after] = [new ManualTime(), new ManualTime()]
  const { fence } = await acquireToken(world.open('boot-1/ns-1/1', before), { owner: 'a' })
  const two = world.open('boot-2/ns-1/1', after)
  const look = async (): Promise<unknown> => two.read(keyOf('k'), fence, 0, 1_000)
  expect(await look()).toMatchObject({ kind: 'bytes', lapsed: false })
  after.jump(1_000)
  // The look was written down behind the answer.
  await expect.poll(async () => (await two.get(keyOf('k')))?.leaseLeftMs).toBe(29_000)
  after.jump(30_999)
  expect(await look()).toMatchObject({ kind: 'bytes', lapsed: false })
  after.jump(1)
  expect(await look()).toMatchObject({ kind: 'bytes', lapsed: true })
  expect(await kindOf(two, 'b')).toBe('acquired')
})

test('an owner on another clock that goes on renewing is never taken over', async () => {
  const world = new World()
  const [first, second] = [new ManualTime(), new ManualTime()]
  const pass = (ms: number): void => {
    first.jump(ms)
    second.jump(ms)
  }
  const [one, two] = [world.open('clock-1/ns-1/1', first), world.open('clock-2/ns-2/1', second)]
  // The two clocks do not read the same.
  second.jump(5_000_000)
  const token = await acquireToken(one, { owner: 'a' })
  for (let beat = 0; beat < 6; beat++) {
    expect(await kindOf(two, 'b')).toBe('running')
    pass(20_000)
    expect(await one.renew(keyOf('k'), token, { leaseMs: 30_000 })).toMatchObject({ kind: 'ok' })
  }
  expect(await kindOf(two, 'b')).toBe('running')
  pass(31_999)
  expect(await kindOf(two, 'b')).toBe('running')
  pass(1)
  expect(await acquire(two, { owner: 'b' })).toMatchObject({ attempt: 2 })
  expect(await one.renew(keyOf('k'), token, { leaseMs: 30_000 })).toEqual({ kind: 'lost' })
})

test('a cooldown goes on over a reboot, by the wall clock', async () => {
  const world = new World()
  const [before, after] = [new ManualTime(), new ManualTime()]
  const one = world.open('boot-1/ns-1/1', before)
  const token = await acquireToken(one, { owner: 'a' })
  expect(await one.release(keyOf('k'), token, { end: 'broken', cooldownMs: 60_000 })).toBe('ok')
  after.jumpWall(20_000)
  const two = world.open('boot-2/ns-1/1', after)
  expect(await two.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'cooling', leftMs: 40_000 })
  after.jumpWall(39_999)
  expect(await two.claim(claimTerms({ owner: 'b' }))).toMatchObject({ kind: 'cooling', leftMs: 1 })
  after.jumpWall(1)
  expect(await acquire(two, { owner: 'b' })).toMatchObject({ attempt: 2 })
})

test('an outcome survives a reboot, until its retention is over', async () => {
  const world = new World()
  const [before, after] = [new ManualTime(), new ManualTime()]
  const one = world.open('boot-1/ns-1/1', before)
  const token = await acquireToken(one, { owner: 'a', retentionMs: 100_000 })
  expect(await one.complete(keyOf('k'), token, piece(0, 'outcome'))).toBe('ok')
  after.jumpWall(99_999)
  const two = world.open('boot-2/ns-1/1', after)
  expect(await kindOf(two, 'b')).toBe('completed')
  after.jumpWall(1)
  expect(await acquire(two, { owner: 'b' })).toMatchObject({ attempt: 1 })
})

test.runIf(process.platform === 'linux')(
  'Linux tells who is stopped and who is gone, by pid and start time',
  async () => {
    const machine = readMachine()
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1')
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    const [clock, namespace] = machine.processName.split('/')
    const name = `${clock}/${namespace}/${child.pid}/${startTime}`
    const elsewhere = `${clock}/1${namespace}/${child.pid}/${startTime}`
    expect([machine.isGone(name), machine.stoppedPid(name)]).toEqual([false, undefined])
    expect(machine.isGone(machine.processName)).toBe(false)
    // The same pid, but another process: the number was given out again.
    expect(machine.isGone(`${clock}/${namespace}/${child.pid}/1${startTime}`)).toBe(true)

    child.kill('SIGSTOP')
    await expect.poll(() => machine.stoppedPid(name)).toBe(child.pid)
    expect(machine.isGone(name)).toBe(false)
    // Nobody may wake a process of ours that has the same pid as one in another container.
    expect(machine.stoppedPid(elsewhere)).toBe(undefined)

    child.kill('SIGKILL')
    await once(child, 'exit')
    expect([machine.isGone(name), machine.stoppedPid(name)]).toEqual([true, undefined])
    expect(machine.isGone(elsewhere)).toBe(false)
    expect(machine.isGone(`another-boot/${namespace}/${child.pid}/${startTime}`)).toBe(false)
  },
)
