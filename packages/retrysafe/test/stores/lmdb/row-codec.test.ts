import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RecordLabel } from '../../../src/engine/record.ts'
import type { Fingerprint } from '../../../src/fingerprint/fingerprint.ts'
import { decodeRow, encodeRow, type StoredRow } from '../../../src/stores/lmdb/row-codec.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 300 })
const ms = fc.double({ noNaN: true, min: -1e13, max: 1e16 })
const flag = fc.boolean()

const label: fc.Arbitrary<RecordLabel> = fc.record(
  { operation: text, tenant: text, key: text, method: text, path: text },
  { requiredKeys: ['operation', 'tenant'], noNullPrototype: true },
)

const storedRow: fc.Arbitrary<StoredRow> = fc.record({
  row: fc.record({
    state: fc.constantFrom('running', 'open', 'completed', 'unknown', 'purged'),
    fence: fc.maxSafeNat(),
    owner: text,
    attempt: fc.integer({ min: 0, max: 100 }),
    maxAttempts: fc.integer({ min: 1, max: 100 }),
    onCrash: fc.constantFrom('rerun', 'fail'),
    sent: flag,
    takenOver: flag,
    cancelled: flag,
    raw: text.map(value => value as Fingerprint),
    canonical: fc.option(
      text.map(value => value as Fingerprint),
      { nil: undefined },
    ),
    leaseMs: ms,
    leaseUntilMs: ms,
    cooldownUntilMs: ms,
    retentionMs: ms,
    expiresAtMs: ms,
    claimedAtMs: ms,
    completedAtMs: fc.option(ms, { nil: undefined }),
    lengthBytes: fc.maxSafeNat(),
    steps: fc.maxSafeNat(),
    label,
  }),
  owner: text,
  clockName: text,
  stampLeaseMs: ms,
  stampWallMs: ms,
  wokenAtMs: ms,
  log: fc.option(fc.uint8Array({ maxLength: 2_000 }), { nil: undefined }),
})

test('a row comes back as it went in', () => {
  fc.assert(
    fc.property(storedRow, stored => {
      const { log, ...rest } = decodeRow(encodeRow(stored))
      const { log: given, ...expected } = stored
      expect(rest).toEqual(expected)
      expect(log === undefined ? undefined : Uint8Array.from(log)).toEqual(given)
    }),
  )
})

test('bytes of another format are told apart', () => {
  expect(() => decodeRow(Buffer.from([2, 0, 0, 0]))).toThrow(RangeError)
  expect(() => decodeRow(Buffer.from([1, 9, 0, 0]))).toThrow(RangeError)
  expect(() => decodeRow(Buffer.alloc(0))).toThrow(RangeError)
  expect(() => decodeRow(Buffer.from([1, 0, 0, 0]))).toThrow(RangeError)
})
