import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Attempt } from '../../src/engine/attempt.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Follower } from '../../src/engine/follower.ts'
import type { HttpHead } from '../../src/engine/outcome.ts'
import type { ResumeTerms, Resumption } from '../../src/engine/resume.ts'
import type { Store } from '../../src/engine/store.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { enterRun, type ManualEngine, okHead, openManualEngine, readAll, runPlain } from '../support/engines.ts'
import { type FaultyStore, faultyStore, gate } from '../support/faulty-store.ts'
import { ManualTime, now, seededRandom, settle } from '../support/manual-time.ts'
import { day, keyOf, textOf } from '../support/store-terms.ts'

let time: ManualTime
let store: Store
let faulty: FaultyStore
/** The process that runs. */
let a: ManualEngine
/** Another one on the same store, whose requests to it the test owns. */
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, store, { seed: 1 })
  b = await openManualEngine(time, faulty.store, { seed: 2 })
})

async function goLive(engine: Engine, text = '', head: HttpHead = okHead): Promise<Attempt> {
  const attempt = await enterRun(engine)
  attempt.recording.open(head)
  attempt.recording.goLive()
  attempt.recording.write(Buffer.from(text))
  return attempt
}

function resume(
  { engine }: ManualEngine,
  { token: { fence } }: Attempt,
  offsetBytes: number,
  more: Partial<ResumeTerms> = {},
): Promise<Resumption> {
  return engine.resume({ key: keyOf('k'), fence, offsetBytes, ...more })
}

function followerOf(resumption: Resumption | 'pending'): Follower {
  if (resumption === 'pending' || resumption.kind !== 'follow')
    throw new Error(`no follower but ${JSON.stringify(resumption)}`)
  return resumption.follower
}

async function nextText(follower: Follower): Promise<string> {
  const step = await follower.next()
  return step.kind === 'bytes' ? textOf(step.bytes) : step.kind
}

/** All that comes, as far as anything comes without time passing. */
async function restNow(follower: Follower): Promise<string> {
  let text = ''
  for (;;) {
    const step = await now(follower.next())
    if (step === 'pending') return text
    if (step.kind !== 'bytes') return `${text} (${step.kind})`
    text += textOf(step.bytes)
  }
}

/** No timer is left behind: nobody polls any more. */
async function expectNothingWaits(before: number): Promise<void> {
  await settle()
  expect(time.waitingTimers).toBe(before)
}

describe('a running stream', () => {
  it('goes on at any offset, here and in another process, live to its end', async () => {
    const attempt = await goLive(a.engine, 'abc')
    attempt.recording.write(Buffer.from('def'))
    await time.advance(250)
    const here = await Promise.all([0, 1, 2, 3, 4, 5, 6].map(async at => followerOf(await resume(a, attempt, at))))
    const there = await Promise.all([0, 1, 2, 3, 4, 5, 6].map(async at => followerOf(await resume(b, attempt, at))))
    for (const { head, lengthBytes } of [...here, ...there]) expect([head, lengthBytes]).toEqual([okHead, undefined])
    attempt.recording.write(Buffer.from('ghi'))
    await attempt.complete()
    await time.advance(100)
    const rests = ['abcdefghi', 'bcdefghi', 'cdefghi', 'defghi', 'efghi', 'fghi', 'ghi']
    for (const followers of [here, there]) {
      const ends = await Promise.all(followers.map(readAll))
      expect(ends).toEqual(rests.map(text => ({ text, ending: 'end' })))
    }
  })

  it('asks nothing of the store where it runs', async () => {
    const inA = await openManualEngine(time, faulty.store, { seed: 3 })
    const attempt = await goLive(inA.engine, 'abc')
    faulty.always('read', { kind: 'reject' })
    const follower = followerOf(await resume(inA, attempt, 2))
    expect(await nextText(follower)).toBe('c')
    expect(faulty.count('read')).toBe(0)
    // Control: in another process it has to.
    await expect(resume(b, attempt, 2)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('has a head of any length before its body, in bytes and not in characters', async () => {
    const head: HttpHead = { ...okHead, headers: ['content-type', 'text/plain', 'x-long', 'ü€'.repeat(3_000)] }
    const attempt = await goLive(a.engine, 'zwölf', head)
    await time.advance(250)
    const follower = followerOf(await resume(b, attempt, 2))
    expect(follower.head).toEqual(head)
    const step = await follower.next()
    expect(step).toEqual({ kind: 'bytes', bytes: Buffer.from([0xc3, 0xb6, 0x6c, 0x66]) })
    follower.close()
  })

  it('is waited for where its reader is ahead of the log, and taken from there without a gap', async () => {
    const attempt = await goLive(a.engine, 'abc')
    await time.advance(250)
    // Delivered at once, and appended 250 ms later.
    attempt.recording.write(Buffer.from('def'))
    const resuming = resume(b, attempt, 5)
    expect(await now(resuming)).toBe('pending')
    // Control: who took the log's end for the stream's would refuse now.
    expect(await store.read(keyOf('k'), attempt.token.fence, 0, 65_536)).toMatchObject({ sealed: false })
    expect((await store.get(keyOf('k')))?.lengthBytes).toBe(attempt.recording.bodyOffsetBytes + 3)
    await time.advance(400)
    expect(await nextText(followerOf(await now(resuming)))).toBe('f')
  })

  it('is not waited for longer than 5 s past what can be seen, here or there', async () => {
    const attempt = await goLive(a.engine, 'abc')
    await time.advance(250)
    const before = time.waitingTimers
    const resuming = [resume(a, attempt, 4), resume(b, attempt, 4)]
    await time.advance(4_990)
    for (const one of resuming) expect(await now(one)).toBe('pending')
    await time.advance(10)
    for (const one of resuming) expect(await now(one)).toEqual({ kind: 'past the end' })
    await expectNothingWaits(before)
  })

  it('shows a resumer its held end when it is sealed, and takes an offset within that', async () => {
    const attempt = await goLive(a.engine, 'text')
    attempt.recording.hold(4)
    attempt.recording.write(Buffer.from('[DONE]'))
    await time.advance(250)
    const inTime = [a, b].map(async process => followerOf(await resume(process, attempt, 4)))
    const early = [a, b].map(process => resume(process, attempt, 6))
    for (const follower of await Promise.all(inTime)) expect(await restNow(follower)).toBe('')
    for (const one of early) expect(await now(one)).toBe('pending')
    await attempt.complete()
    await time.advance(100)
    for (const one of early) expect(await readAll(followerOf(await now(one)))).toEqual({ text: 'ONE]', ending: 'end' })
  })

  it('breaks when its run breaks, here and there, and is then unknown', async () => {
    const attempt = await goLive(a.engine, 'half')
    await time.advance(250)
    const followers = await Promise.all([a, b].map(async process => followerOf(await resume(process, attempt, 2))))
    await attempt.release('broken')
    await time.advance(100)
    const [here, there] = await Promise.all(followers.map(readAll))
    expect(here).toEqual({ text: 'lf', ending: 'broken' })
    expect(there).toEqual({ text: '', ending: 'broken' })
    for (const process of [a, b]) expect(await resume(process, attempt, 2)).toEqual({ kind: 'unknown' })
  })

  it('breaks for who waits for bytes that will not come', async () => {
    const attempt = await goLive(a.engine, 'half')
    await time.advance(250)
    const resuming = [a, b].map(process => resume(process, attempt, 9))
    await settle()
    await attempt.release('broken')
    await time.advance(100)
    for (const one of resuming) expect(await now(one)).toEqual({ kind: 'unknown' })
  })

  it('goes on without a resumer that leaves, while it waits or reads, and leaves nothing behind', async () => {
    const attempt = await goLive(a.engine, 'abc')
    await time.advance(250)
    const before = time.waitingTimers
    const leave = new AbortController()
    const waiting = [a, b].map(process => resume(process, attempt, 9, { signal: leave.signal }))
    for (const process of [a, b]) followerOf(await resume(process, attempt, 1)).close()
    leave.abort()
    for (const one of waiting) expect(await now(one)).toEqual({ kind: 'left' })
    await expectNothingWaits(before)
    expect(attempt.isStopped).toBe(false)
    expect(await attempt.complete()).toBe('sealed')
  })

  it('is not throttled by a resumer that does not read, who then has it all from the store', async () => {
    const attempt = await goLive(a.engine, 'abc')
    const slow = followerOf(await resume(a, attempt, 2))
    for (let at = 0; at < 64; at++) {
      expect(attempt.recording.write(Buffer.alloc(16_384, 'x'))).toBe(true)
      await settle()
    }
    expect(attempt.recording.tail.startBytes).toBeGreaterThan(900_000)
    expect(await attempt.complete()).toBe('sealed')
    const { text, ending } = await readAll(slow)
    expect([text.length, text.slice(0, 3), ending]).toEqual([1_048_577, 'cxx', 'end'])
  })

  it('ends where its process gives up', async () => {
    const attempt = await goLive(a.engine, 'abc')
    const follower = followerOf(await resume(a, attempt, 1))
    await a.engine.giveUp()
    expect(await readAll(follower)).toEqual({ text: 'bc', ending: 'broken' })
    await expect(resume(a, attempt, 1)).rejects.toMatchObject({ code: 'DRAINING' })
  })
})

describe('a completed stream', () => {
  it('is read from any offset to its end, and no further, by any process', async () => {
    const attempt = await goLive(a.engine, 'abcdef')
    await attempt.complete()
    await time.advance(10)
    for (const process of [a, b]) {
      for (const [offsetBytes, text] of [
        [0, 'abcdef'],
        [1, 'bcdef'],
        [5, 'f'],
        [6, ''],
      ] as const) {
        const follower = followerOf(await resume(process, attempt, offsetBytes))
        expect(follower.lengthBytes).toBe(text.length)
        expect(await readAll(follower)).toEqual({ text, ending: 'end' })
        follower.close()
      }
      for (const past of [7, 1_000_000, Number.MAX_SAFE_INTEGER]) {
        expect(await resume(process, attempt, past)).toEqual({ kind: 'past the end' })
      }
    }
  })

  it('counts from the store while its end is shown and not yet acknowledged', async () => {
    const inA = await openManualEngine(time, faulty.store, { seed: 3 })
    const attempt = await goLive(inA.engine, 'abc')
    faulty.always('complete', { kind: 'reject' })
    const sealed = attempt.complete()
    await time.advance(1_000)
    expect(await sealed).toBe('sealed')
    const follower = followerOf(await resume(inA, attempt, 1))
    expect(follower.lengthBytes).toBe(2)
    expect(await readAll(follower)).toEqual({ text: 'bc', ending: 'end' })
    expect(await resume(inA, attempt, 4)).toEqual({ kind: 'past the end' })
  })

  it('breaks where it expires, or is removed, between the look and the read', async () => {
    const attempt = await goLive(a.engine, 'abc')
    await attempt.complete()
    const [one, other] = [followerOf(await resume(b, attempt, 1)), followerOf(await resume(b, attempt, 1))]
    await store.purge(keyOf('k'), attempt.token.fence, { force: false })
    expect(await readAll(one)).toEqual({ text: '', ending: 'broken' })
    expect(await resume(b, attempt, 1)).toEqual({ kind: 'unknown' })
    const second = await goLive(a.engine, 'xyz')
    await second.complete()
    const late = followerOf(await resume(b, second, 1))
    time.jump(day)
    expect(await readAll(late)).toEqual({ text: '', ending: 'broken' })
    expect(await readAll(other)).toEqual({ text: '', ending: 'broken' })
    expect(await resume(b, second, 1)).toEqual({ kind: 'unknown' })
  })
})

describe('another generation', () => {
  /** A run of `b` in the place of one of `a`, which does not know it yet. */
  async function takeOver(text: string): Promise<Attempt> {
    time.jump(32_000)
    const successor = await goLive(b.engine, text)
    await time.advance(250)
    return successor
  }

  it('is told from the first one, by every process, running and completed', async () => {
    const old = await goLive(a.engine, 'old')
    const successor = await takeOver('brand new')
    const c = await openManualEngine(time, store, { seed: 3 })
    expect(await resume(b, old, 1)).toEqual({ kind: 'superseded' })
    expect(await resume(c, old, 1)).toEqual({ kind: 'superseded' })
    await successor.complete()
    // By now the old process has heard of it.
    await time.advance(20_000)
    for (const process of [a, b, c]) expect(await resume(process, old, 1)).toEqual({ kind: 'superseded' })
    const resumed = followerOf(await resume(a, successor, 6))
    expect(await readAll(resumed)).toEqual({ text: 'new', ending: 'end' })
    resumed.close()
  })

  it('is told also when it came to nothing; what it was removed with is unknown', async () => {
    const old = await goLive(a.engine, 'old')
    const successor = await takeOver('brand new')
    await successor.release('broken')
    expect(await store.get(keyOf('k'))).toMatchObject({ state: 'open' })
    expect(await resume(b, old, 1)).toEqual({ kind: 'superseded' })
    expect(await resume(b, successor, 1)).toEqual({ kind: 'unknown' })
    await store.purge(keyOf('k'), successor.token.fence, { force: false })
    expect(await resume(b, old, 1)).toEqual({ kind: 'unknown' })
  })

  it('never shows through: what begins between the look and the read breaks the follower', async () => {
    const old = await goLive(a.engine, 'old one')
    await time.advance(250)
    const door = gate()
    faulty.next('read', { kind: 'hold reply', until: door.until })
    const resuming = resume(b, old, 4)
    await settle()
    const successor = await takeOver('brand new')
    door.open()
    const follower = followerOf(await now(resuming))
    expect(await readAll(follower)).toEqual({ text: '', ending: 'broken' })
    // Control: at that place the log has bytes, of the other run, that would have been taken for the rest.
    const at = successor.recording.bodyOffsetBytes + 4
    const there = await store.read(keyOf('k'), successor.token.fence, at, 100)
    expect(there.kind === 'bytes' && textOf(there.bytes)).toBe('d new')
    expect(await resume(b, old, 4)).toEqual({ kind: 'superseded' })
  })

  it('never shows through: who follows gets the rest of the old one, at most, and then breaks', async () => {
    const old = await goLive(a.engine, 'old one')
    await time.advance(250)
    const c = await openManualEngine(time, store, { seed: 3 })
    const here = followerOf(await resume(a, old, 4))
    const there = followerOf(await resume(c, old, 4))
    expect(await restNow(there)).toBe('one')
    await takeOver('brand new')
    await time.advance(20_000)
    expect(await readAll(here)).toEqual({ text: 'one', ending: 'broken' })
    expect(await readAll(there)).toEqual({ text: '', ending: 'broken' })
  })

  it('never shows through: nor for who waits for the log', async () => {
    const old = await goLive(a.engine, 'old')
    await time.advance(250)
    const c = await openManualEngine(time, store, { seed: 3 })
    time.jump(31_000)
    const waiting = resume(c, old, 5)
    await settle()
    time.jump(1_000)
    await goLive(b.engine, 'brand new')
    await time.advance(300)
    expect(await now(waiting)).toEqual({ kind: 'superseded' })
  })

  it('that runs in the same process leaves the old one to its own recording', async () => {
    const old = await goLive(a.engine, 'old one')
    await time.advance(250)
    const follower = followerOf(await resume(a, old, 4))
    time.jump(32_000)
    const successor = await goLive(a.engine, 'brand new')
    expect(await resume(a, old, 4)).toEqual({ kind: 'superseded' })
    expect(await restNow(followerOf(await resume(a, successor, 6)))).toBe('new')
    await time.advance(20_000)
    expect(await readAll(follower)).toEqual({ text: 'one', ending: 'broken' })
  })
})

describe('an owner that is gone', () => {
  it('leaves what it appended, then a broken stream; past that there is nothing to wait for', async () => {
    const attempt = await goLive(a.engine, 'half')
    await time.advance(250)
    a.process.kill()
    time.jump(32_000)
    expect(await readAll(followerOf(await resume(b, attempt, 2)))).toEqual({ text: 'lf', ending: 'broken' })
    for (const offsetBytes of [4, 5, 1_000]) {
      expect(await now(resume(b, attempt, offsetBytes))).toEqual({ kind: 'unknown' })
    }
  })

  it('leaves nothing where it had not appended', async () => {
    const attempt = await goLive(a.engine, 'half')
    a.process.kill()
    time.jump(32_000)
    expect(await now(resume(b, attempt, 0))).toEqual({ kind: 'unknown' })
  })
})

it('leaves no subscription behind, whatever it comes to', async () => {
  let open = 0
  const subscribe: Store['subscribe'] = (key, hint) => {
    const subscription = store.subscribe(key, hint)
    open++
    return {
      close() {
        open--
        subscription.close()
      },
    }
  }
  const watched = await openManualEngine(time, { ...store, subscribe }, { seed: 3 })
  const attempt = await goLive(a.engine, 'abc')
  await time.advance(250)
  const late = resume(watched, attempt, 9)
  const follower = followerOf(await resume(watched, attempt, 1))
  expect(open).toBe(2)
  follower.close()
  await time.advance(5_000)
  expect(await late).toEqual({ kind: 'past the end' })
  expect(open).toBe(0)
  await attempt.complete()
  for (const offsetBytes of [0, 4]) {
    const resumption = await resume(watched, attempt, offsetBytes)
    if (resumption.kind === 'follow') resumption.follower.close()
  }
  await store.purge(keyOf('k'), attempt.token.fence, { force: true })
  expect(await resume(watched, attempt, 0)).toEqual({ kind: 'unknown' })
  expect(open).toBe(0)
})

describe('what cannot be had', () => {
  it('is not kept: while it runs here, and for everybody once it is sealed', async () => {
    const small = await openManualEngine(time, store, { seed: 3, maxResultBytes: 10 })
    const attempt = await goLive(small.engine, 'abcdef')
    await time.advance(250)
    const there = followerOf(await resume(b, attempt, 2))
    expect(await restNow(there)).toBe('cdef')
    attempt.recording.write(Buffer.from('ghijklmnop'))
    expect(await resume(small, attempt, 2)).toEqual({ kind: 'not kept' })
    await attempt.complete()
    await time.advance(100)
    expect(await nextText(there)).toBe('broken')
    for (const process of [small, b]) {
      for (const offsetBytes of [0, 2, 16, 17]) {
        expect(await resume(process, attempt, offsetBytes)).toEqual({ kind: 'not kept' })
      }
    }
  })

  it('is unknown: never there, freed, cancelled, given up', async () => {
    const never = { key: keyOf('never'), fence: 1, offsetBytes: 0 }
    expect(await b.engine.resume(never)).toEqual({ kind: 'unknown' })
    for (const end of ['free', 'failed', 'cancelled'] as const) {
      const attempt = await goLive(a.engine, 'abc')
      await time.advance(250)
      await attempt.release(end)
      for (const process of [a, b]) expect(await resume(process, attempt, 0)).toEqual({ kind: 'unknown' })
      await time.advance(1_000)
    }
  })

  it('is not an answer of somebody who cannot reach the store', async () => {
    const attempt = await goLive(a.engine, 'abc')
    await attempt.complete()
    faulty.next('read', { kind: 'reject' })
    const before = time.waitingTimers
    await expect(resume(b, attempt, 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expectNothingWaits(before)
    // In mid-stream it breaks off, as a follower's read rejects; and can be had again.
    const follower = followerOf(await resume(b, attempt, 1))
    faulty.next('read', { kind: 'reject' })
    await expect(follower.next()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await readAll(followerOf(await resume(b, attempt, 1)))).toEqual({ text: 'bc', ending: 'end' })
  })

  it('is a plain answer no less than a stream', async () => {
    const attempt = await enterRun(a.engine)
    await runPlain(attempt, 'plain')
    expect(await readAll(followerOf(await resume(b, attempt, 2)))).toEqual({ text: 'ain', ending: 'end' })
  })
})

it('gives every reader the same bytes without a gap or a repeat, wherever and however often it breaks off', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.constantFrom('write', 'read', 'break off', 'change process', 'pass'), { maxLength: 40 }),
      fc.integer({ min: 1, max: 1_000_000 }),
      async (sizes, plan, seed) => {
        const random = seededRandom(seed)
        const clock = new ManualTime()
        const shared = memoryStore({ clock: clock.clock })
        const processes = [
          await openManualEngine(clock, shared, { seed }),
          await openManualEngine(clock, shared, { seed: seed + 1 }),
        ] as const
        const attempt = await goLive(processes[0].engine)
        const chunks = sizes.map(size => Buffer.from(random.bytes(size)))
        let written = 0
        let where: 0 | 1 = 0
        let got = Buffer.alloc(0)
        let follower: Follower | undefined
        const read = async (): Promise<string> => {
          const resuming = follower === undefined ? resume(processes[where], attempt, got.byteLength) : undefined
          if (resuming !== undefined) {
            // The other process may have to wait for the log.
            await clock.advance(300)
            follower = followerOf(await now(resuming))
          }
          const step = await now(follower?.next() ?? Promise.reject(new Error('no follower')))
          if (step === 'pending' || step.kind !== 'bytes') {
            follower?.close()
            follower = undefined
            return step === 'pending' ? step : step.kind
          }
          got = Buffer.concat([got, step.bytes])
          return 'bytes'
        }
        for (const act of plan) {
          const chunk = chunks[written]
          if (act === 'write' && chunk !== undefined) {
            attempt.recording.write(chunk)
            written++
          }
          if (act === 'read') await read()
          if (act === 'pass') await clock.advance(50)
          if (act === 'change process') where = where === 0 ? 1 : 0
          if (act === 'break off' || act === 'change process') {
            follower?.close()
            follower = undefined
          }
        }
        for (const chunk of chunks.slice(written)) attempt.recording.write(chunk)
        await attempt.complete()
        await clock.advance(300)
        let last = 'bytes'
        while (last === 'bytes') last = await read()
        expect(last).toBe('end')
        expect(got.equals(Buffer.concat(chunks))).toBe(true)
        follower?.close()
      },
    ),
    { numRuns: 40 },
  )
})
