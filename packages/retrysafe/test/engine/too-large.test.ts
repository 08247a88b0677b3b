import { beforeEach, describe, expect, it } from 'vitest'
import { type Follower, followRecording } from '../../src/engine/follower.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import {
  callOf,
  describe as describeEntry,
  enterFollow,
  enterRun,
  type ManualEngine,
  okHead,
  openManualEngine,
  readAll,
} from '../support/engines.ts'
import { type FaultyStore, faultyStore } from '../support/faulty-store.ts'
import { ManualTime } from '../support/manual-time.ts'
import { keyOf } from '../support/store-terms.ts'

let time: ManualTime
let faulty: FaultyStore
let a: ManualEngine
let b: ManualEngine
beforeEach(async () => {
  time = new ManualTime()
  const store = memoryStore({ clock: time.clock })
  faulty = faultyStore(store)
  a = await openManualEngine(time, faulty.store, { seed: 1, maxResultBytes: 1_000 })
  b = await openManualEngine(time, store, { seed: 2 })
})

const mebibyte = 1_048_576

describe('a result over maxResultBytes', () => {
  it('goes whole to its first reader, is completed without its body, and is refused afterwards', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const first = followRecording(attempt.recording, okHead, true)
    const chunks = Array.from({ length: 20 }, (_, at) => Buffer.alloc(100, 65 + at))
    for (const chunk of chunks) {
      expect(attempt.recording.write(chunk)).toBe(true)
      await time.advance(100)
    }
    expect(await attempt.complete()).toBe('sealed')
    const read = await readAll(first)
    expect(read).toEqual({ text: Buffer.concat(chunks).toString(), ending: 'end' })
    for (const { engine } of [a, b]) expect(describeEntry(await engine.enter(callOf()))).toBe('refused RESULT_NOT_KEPT')
    expect(await b.engine.store.get(keyOf('k'))).toMatchObject({ state: 'completed' })
    expect((await b.engine.store.get(keyOf('k')))?.lengthBytes).toBeLessThan(200)
  })

  it('keeps a result of exactly the limit', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.alloc(1_000, 0x61))
    await attempt.complete()
    expect(describeEntry(await b.engine.enter(callOf()))).toBe(`replay 200 "${'a'.repeat(1_000)}"`)
  })

  it('slows the writer down when a mebibyte waits for the reader, and lets it go on as the reader reads', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const first = followRecording(attempt.recording, okHead, true)
    expect(attempt.recording.write(Buffer.alloc(mebibyte - 1))).toBe(true)
    expect(attempt.recording.write(Buffer.alloc(1))).toBe(false)
    let room = 0
    attempt.recording.whenRoom(() => {
      room++
    })
    expect(room).toBe(0)
    await first.next()
    expect(room).toBe(1)
    expect(attempt.recording.write(Buffer.alloc(10))).toBe(true)
    await first.next()
    await first.next()
    expect(room).toBe(1)
    expect(attempt.recording.tail.startBytes).toBe(mebibyte + 10)
  })

  it('lets the writer go on, and keeps nothing, when the reader has left', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const first = followRecording(attempt.recording, okHead, true)
    expect(attempt.recording.write(Buffer.alloc(2 * mebibyte))).toBe(false)
    let room = 0
    attempt.recording.whenRoom(() => {
      room++
    })
    first.close()
    expect(room).toBe(1)
    for (let at = 0; at < 10; at++) expect(attempt.recording.write(Buffer.alloc(mebibyte))).toBe(true)
    expect(attempt.recording.tail.startBytes).toBe(12 * mebibyte)
    expect(await attempt.complete()).toBe('sealed')
  })

  it('never slows the writer while the result is kept', async () => {
    const c = await openManualEngine(time, b.engine.store, { seed: 3 })
    const attempt = await enterRun(c.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    followRecording(attempt.recording, okHead, true)
    for (let at = 0; at < 20; at++) expect(attempt.recording.write(Buffer.alloc(mebibyte))).toBe(true)
  })

  async function expectPrefixThenBroken(follower: Follower, whole: string): Promise<void> {
    const { text, ending } = await readAll(follower)
    expect(whole.startsWith(text) ? 'a prefix' : `not a byte of it: ${JSON.stringify(text)}`).toBe('a prefix')
    expect(ending).toBe('broken')
  }

  it('breaks other readers of the same process rather than giving them anything else', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    const first = followRecording(attempt.recording, okHead, true)
    const other = await enterFollow(a.engine)
    attempt.recording.write(Buffer.alloc(2_000, 0x61))
    await first.next()
    await attempt.complete()
    await expectPrefixThenBroken(other, 'a'.repeat(2_000))
  })

  it('breaks a reader in another process that had only the head', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    await time.advance(250)
    const there = await enterFollow(b.engine)
    attempt.recording.write(Buffer.alloc(2_000, 0x61))
    await attempt.complete()
    await time.advance(200)
    await expectPrefixThenBroken(there, 'a'.repeat(2_000))
  })

  it('breaks a reader in another process in mid-body', async () => {
    const attempt = await enterRun(a.engine)
    attempt.recording.open(okHead)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.alloc(500, 0x61))
    await time.advance(250)
    const there = await enterFollow(b.engine)
    attempt.recording.write(Buffer.alloc(2_000, 0x61))
    await attempt.complete()
    await time.advance(200)
    await expectPrefixThenBroken(there, 'a'.repeat(2_500))
  })

  it('follows and replays a head that is longer than one read', async () => {
    const long = { ...okHead, headers: ['x-long', 'h'.repeat(80_000)] }
    const attempt = await enterRun(a.engine)
    attempt.recording.open(long)
    attempt.recording.goLive()
    attempt.recording.write(Buffer.from('body'))
    await time.advance(250)
    const joining = b.engine.enter(callOf({ waitMs: 10_000 }))
    await time.advance(1_000)
    await attempt.complete()
    await time.advance(10_000)
    const entry = await joining
    expect(describeEntry(entry)).toMatch(/^(follow|replay)/)
    expect(describeEntry(await b.engine.enter(callOf()))).toMatch(/^replay/)
  })
})
