import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkDataFile } from '../../../src/stores/lmdb/file-check.ts'
import { lmdbStore } from '../../../src/stores/lmdb/index.ts'
import { acquireToken, keyOf } from '../../support/store-terms.ts'

const page = 4_096
const root = mkdtempSync(join(tmpdir(), 'retrysafe-check-'))
const sound = join(root, 'store', 'data.mdb')
let copies = 0

beforeAll(async () => {
  const store = lmdbStore({ path: join(root, 'store') })
  const bytes = Buffer.alloc(100_000, 'x')
  for (let number = 0; number < 300; number++) {
    const key = keyOf(`k${number}`)
    const token = await acquireToken(store, { key, owner: String(number) })
    if (number % 30 === 0) await store.complete(key, token, { offsetBytes: 0, bytes })
  }
  await store.close()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A copy of the sound file with something done to it. */
function copyWith(change: (path: string) => void): string {
  const path = join(root, `copy-${copies++}`)
  copyFileSync(sound, path)
  change(path)
  return path
}

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.byteLength, offset)
  closeSync(file)
}

describe('a data file', () => {
  it('is sound as LMDB leaves it, also an empty one', () => {
    expect(checkDataFile(sound)).toEqual({ kind: 'sound' })
    const empty = join(root, 'empty')
    writeFileSync(empty, '')
    expect(checkDataFile(empty)).toEqual({ kind: 'empty' })
  })

  it.each([1, 100, 8_191])('of %i bytes is damaged', length => {
    const path = copyWith(copy => truncateSync(copy, length))
    expect(checkDataFile(path)).toEqual({ kind: 'damaged', why: `it has only ${length} bytes` })
  })

  it('that is not LMDB’s is damaged', () => {
    const path = join(root, 'text')
    writeFileSync(path, 'no database at all\n'.repeat(1_000))
    expect(checkDataFile(path)).toEqual({ kind: 'damaged', why: 'it is no LMDB file' })
  })

  it('cut in half is damaged', () => {
    const path = copyWith(copy => truncateSync(copy, Math.floor(statSync(copy).size / 2)))
    expect(checkDataFile(path).kind).toBe('damaged')
  })

  it('of a later LMDB is newer', () => {
    const path = copyWith(copy => overwrite(copy, 24 + 4, Buffer.from([3, 0, 0, 0])))
    expect(checkDataFile(path)).toEqual({ kind: 'newer' })
  })

  it.each([0, 1])('with garbage in its page %i is damaged', number => {
    const path = copyWith(copy => overwrite(copy, number * page, Buffer.alloc(page, 0xa5)))
    expect(checkDataFile(path).kind).toBe('damaged')
  })

  it('is damaged when any page that a tree needs is, and only then', () => {
    const size = statSync(sound).size
    const original = readFileSync(sound)
    const found: number[] = []
    for (let number = 2; number < size / page; number++) {
      const path = join(root, 'one-page')
      writeFileSync(path, original)
      overwrite(path, number * page, Buffer.alloc(page, 0xa5))
      if (checkDataFile(path).kind === 'damaged') found.push(number)
    }
    // 300 rows of about 300 bytes make some 30 leaves; the other pages hold large values, or are free.
    expect(found.length).toBeGreaterThan(20)
    expect(found.length).toBeLessThan(size / page - 10 * 24)
  })
})
