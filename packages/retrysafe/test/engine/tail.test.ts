import { describe, expect, it } from 'vitest'
import { Tail } from '../../src/engine/tail.ts'

/** All that a reader gets from here on, and in how many reads. */
function readAll(tail: Tail, from = 0): { text: string; reads: number } {
  const pieces: Uint8Array[] = []
  for (let offset = from; ; ) {
    const read = tail.read(offset)
    if (read.kind !== 'bytes') return { text: Buffer.concat(pieces).toString(), reads: pieces.length }
    pieces.push(read.bytes)
    offset += read.bytes.byteLength
  }
}

describe('a tail of single bytes', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz'.repeat(400)

  function write(): Tail {
    const tail = new Tail()
    for (const letter of letters) tail.write(Buffer.from(letter))
    return tail
  }

  it('is kept in few chunks, whatever they came in', () => {
    const tail = write()
    expect(readAll(tail)).toEqual({ text: letters, reads: 19 })
    expect(Buffer.from(tail.whole()).toString()).toBe(letters)
    expect(Buffer.from(tail.copy(10, 5_010)).toString()).toBe(letters.slice(10, 5_010))
  })

  it('is read while it grows, each byte as it comes, and what was read stays as it is', () => {
    const tail = new Tail()
    const taken: Uint8Array[] = []
    for (const [at, letter] of [...letters].entries()) {
      tail.write(Buffer.from(letter))
      const read = tail.read(at)
      if (read.kind === 'bytes') taken.push(read.bytes)
    }
    expect(Buffer.concat(taken).toString()).toBe(letters)
  })

  it('loses whole chunks from its window, and goes on behind them', () => {
    const tail = write()
    tail.drop(5_000)
    expect(tail.startBytes).toBe(4_112)
    expect(tail.read(0)).toEqual({ kind: 'earlier' })
    expect(readAll(tail, 4_112).text).toBe(letters.slice(4_112))
    tail.drop(letters.length)
    tail.write(Buffer.from('more'))
    expect(readAll(tail, letters.length).text).toBe('more')
  })
})

it('keeps large chunks as they came', () => {
  const tail = new Tail()
  const chunk = Buffer.alloc(2_000, 'x')
  for (let at = 0; at < 50; at++) tail.write(chunk)
  const last = tail.read(98_000)
  expect(last.kind === 'bytes' && last.bytes.buffer === chunk.buffer).toBe(true)
  tail.write(Buffer.from('y'))
  expect(readAll(tail, 98_000).text).toBe(`${'x'.repeat(2_000)}y`)
})
