import { beforeEach, expect, test } from 'vitest'
import { DiskRoom, type Need } from '../../../src/stores/lmdb/disk-room.ts'

const mib = 1_048_576
const claim: Need = { kind: 'claim' }
const bytes = (count: number): Need => ({ kind: 'bytes', bytes: count })
const full = { code: 'STORE_FULL', message: 'no space is left for /store: free some, or move the store' }

let nowMs = 0
let looks = 0
let freeBytes = 0
let insideBytes = 0
beforeEach(() => {
  nowMs = 1_000
  looks = 0
  freeBytes = 0
  insideBytes = 0
})

/** On a disk of 80 MiB: claims leave 10 MiB of it, outcomes one. */
function openRoom(sizeBytes = 80 * mib): DiskRoom {
  return new DiskRoom({
    path: '/store',
    measure: async () => {
      looks += 1
      return { sizeBytes, freeBytes }
    },
    monotonicMs: () => nowMs,
    insideBytes: () => insideBytes,
  })
}

test('a claim leaves an eighth of the disk, an outcome a MiB', async () => {
  const room = openRoom()
  freeBytes = 10 * mib + 16_384
  expect(await room.enter(claim)).toBe(false)
  room.leave(claim)
  freeBytes -= 1
  await expect(room.enter(claim)).rejects.toMatchObject(full)
  freeBytes = 3 * mib + 16_384
  expect(await room.enter(bytes(mib))).toBe(false)
  room.leave(bytes(mib))
  freeBytes -= 1
  await expect(room.enter(bytes(mib))).rejects.toMatchObject(full)
})

test('of a large disk a claim leaves 64 MiB', async () => {
  const room = openRoom(1_000_000 * mib)
  freeBytes = 64 * mib + 16_384
  expect(await room.enter(claim)).toBe(false)
  room.leave(claim)
  freeBytes -= 1
  await expect(room.enter(claim)).rejects.toMatchObject(full)
})

test('writes under way take their room at once, and those that ended since the look as well', async () => {
  const room = openRoom()
  freeBytes = 5 * mib
  const first = room.enter(bytes(mib))
  const second = room.enter(bytes(mib))
  expect(await first).toBe(false)
  await expect(second).rejects.toMatchObject(full)
  const third = room.enter(bytes(mib))
  room.leave(bytes(mib))
  // Measured before the first was over: it knows nothing of its bytes.
  await expect(third).rejects.toMatchObject(full)
  expect(await room.enter(bytes(mib))).toBe(false)
})

test('where there is plenty nobody looks twice a second', async () => {
  const room = openRoom()
  freeBytes = 70 * mib
  for (let at = 0; at < 100; at++) {
    expect(await room.enter(claim)).toBe(false)
    room.leave(claim)
  }
  expect(looks).toBe(1)
  nowMs += 1_001
  await room.enter(claim)
  expect(looks).toBe(2)
})

test('half of what is free inside the file counts; then values are to lie in single pages', async () => {
  const room = openRoom()
  insideBytes = 20 * mib + 2 * 16_384
  expect(await room.enter(claim)).toBe(true)
  room.leave(claim)
  insideBytes -= 2
  await expect(room.enter(claim)).rejects.toMatchObject(full)
  expect(await room.enter(bytes(4 * mib))).toBe(true)
})

test('an outcome that found no room keeps it from claims, until it is tried again or its process is gone', async () => {
  const room = openRoom()
  freeBytes = 12 * mib
  await expect(room.enter(bytes(6 * mib))).rejects.toMatchObject(full)
  await expect(room.enter(claim)).rejects.toMatchObject(full)
  nowMs += 10_001
  expect(await room.enter(claim)).toBe(false)
  room.leave(claim)
  await expect(room.enter(bytes(6 * mib))).rejects.toMatchObject(full)
  freeBytes = 14 * mib
  await expect(room.enter(claim)).rejects.toMatchObject(full)
  expect(await room.enter(bytes(6 * mib))).toBe(false)
  room.leave(bytes(6 * mib))
  expect(await room.enter(claim)).toBe(false)
})

test('a disk that does not say how large it is has room', async () => {
  const room = new DiskRoom({
    path: '/store',
    measure: async () => undefined,
    monotonicMs: () => nowMs,
    insideBytes: () => 0,
  })
  expect(await room.enter(claim)).toBe(false)
  expect(room.enter(bytes(1_000 * mib))).toBe(false)
})
