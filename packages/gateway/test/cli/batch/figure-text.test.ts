import { expect, test } from 'vitest'
import {
  aboutUsdText,
  clockText,
  counted,
  countText,
  durationText,
  percentOf,
  rateText,
  shortCountText,
  usdText,
} from '../../../src/cli/batch/figure-text.ts'

test('figures are written so that people can read them', () => {
  expect([0, 999, 12_345, 1_234_567].map(countText)).toEqual(['0', '999', '12,345', '1,234,567'])
  expect(
    [9_999, 10_000, 999_499, 999_500, 1_234_567, 99_949_999, 123_456_789, 2_500_000_000].map(shortCountText),
  ).toEqual(['9,999', '10k', '999k', '1.0M', '1.2M', '99.9M', '123M', '2.5G'])
  expect([0, 0.000_01, 0.0123, 0.5, 12.345, 1_234.567].map(usdText)).toEqual([
    ...['$0', 'under $0.0001', '$0.0123', '$0.5000', '$12.35', '$1,234.57'],
  ])
  expect([0, 0.000_01, 0.5].map(usd => aboutUsdText(usd, 0))).toEqual(['about $0', 'under $0.0001', 'about $0.5000'])
  expect([0.000_01, 0.5].map(usd => aboutUsdText(usd, 3))).toEqual(['under $0.0001', 'at least $0.5000'])
  expect([0, 4_400, 59_600, 106_000, 7_500_000, 273_600_000].map(durationText)).toEqual([
    ...['0 s', '4 s', '1 min 00 s', '1 min 46 s', '2 h 05 min', '3 d 4 h'],
  ])
  expect([0, 72_900, 3_600_000, 360_000_000].map(clockText)).toEqual(['0:00:00', '0:01:12', '1:00:00', '100:00:00'])
  expect([0, 0.25, 9.94, 9.96, 188.4].map(rateText)).toEqual(['0.0/s', '0.3/s', '9.9/s', '10/s', '188/s'])
  expect([counted(1, 'item'), counted(2, 'item'), counted(1_000, 'item')]).toEqual(['1 item', '2 items', '1,000 items'])
})

test('a hundred percent are all', () => {
  expect([percentOf(0, 3), percentOf(199_999, 200_000), percentOf(3, 3), percentOf(0, 0)]).toEqual([0, 99, 100, 0])
})
