import { expect, it } from 'vitest'
import { decodeHead, encodeHead, type OutcomeHead } from '../../src/engine/outcome.ts'

const heads: readonly OutcomeHead[] = [
  { kind: 'http', status: 200, headers: [] },
  { kind: 'returned value' },
  { kind: 'yielded items' },
]

// A reader that stood behind another head finds the log shorter than its place, and never takes a byte of it for a body.
it('no head is as short as that of an outcome that was not kept', () => {
  const notKeptBytes = encodeHead({ kind: 'not kept' }).byteLength
  expect(notKeptBytes).toBe(23)
  for (const head of heads) expect(encodeHead(head).byteLength).toBeGreaterThan(notKeptBytes)
})

it('heads come back, from a log that has all of them', () => {
  for (const head of heads) {
    const log = Buffer.concat([encodeHead(head), Buffer.from('body')])
    expect(decodeHead(log)).toEqual({ head, bodyOffsetBytes: log.byteLength - 4 })
    expect(decodeHead(log.subarray(0, log.byteLength - 5))).toBe(undefined)
  }
})
