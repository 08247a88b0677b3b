import { describe, expect, test } from 'vitest'
import {
  acquired,
  begun,
  claim,
  complete,
  completed,
  describeCases,
  lost,
  ok,
  op,
  release,
  renew,
  running,
  unanswered,
  verdict,
} from './told-history.ts'

describeCases('one winner', [
  [
    'of two claims at once one runs',
    'legal',
    [op(0, 10, claim('a'), acquired(1, 'a')), op(1, 9, claim('b'), running(1))],
  ],
  ['two winners', 'I1', [op(0, 10, claim('a'), acquired(1, 'a')), op(1, 9, claim('b'), acquired(2, 'b'))]],
  [
    'running is told before anybody claimed',
    'I9',
    [op(0, 5, claim('b'), running(1)), op(6, 10, claim('a'), acquired(1, 'a'))],
  ],
  ['a claim sent again by its owner', 'legal', [begun, op(20, 30, claim('a'), acquired(1, 'a'))]],
  ['a claim sent again gets another token', 'I7', [begun, op(20, 30, claim('a'), acquired(2, 'a', 2))]],
])

describeCases('fences rise', [
  [
    'after a release',
    'legal',
    [begun, op(20, 30, release(1, 'a', 'free'), ok), op(40, 50, claim('b'), acquired(2, 'b'))],
  ],
  ['the same again', 'I1', [begun, op(20, 30, release(1, 'a', 'free'), ok), op(40, 50, claim('b'), acquired(1, 'b'))]],
  [
    'lower than one told by running',
    'I1',
    [
      unanswered(0, claim('a')),
      op(10, 20, claim('b'), running(7)),
      op(12_100, 12_200, claim('c'), acquired(6, 'c', 2)),
    ],
  ],
])

describeCases('the lease', [
  ['taken over once lease and grace are over', 'legal', [begun, op(11_990, 12_000, claim('b'), acquired(2, 'b', 2))]],
  ['taken over 1 ms early', 'I1', [begun, op(11_980, 11_999, claim('b'), acquired(2, 'b', 2))]],
  ['taken over at the lease, without grace', 'I1', [begun, op(10_005, 10_015, claim('b'), acquired(2, 'b', 2))]],
  [
    'within the slack of the clocks',
    'legal',
    [begun, op(11_980, 11_999, claim('b'), acquired(2, 'b', 2))],
    { leaseSlackMs: 5 },
  ],
  [
    'renewed, and taken over from the old end on',
    'I1',
    [begun, op(5_000, 5_010, renew(1, 'a'), ok), op(12_020, 12_030, claim('b'), acquired(2, 'b', 2))],
  ],
  [
    'renewed, and taken over from the new end on',
    'legal',
    [begun, op(5_000, 5_010, renew(1, 'a'), ok), op(17_000, 17_010, claim('b'), acquired(2, 'b', 2))],
  ],
  [
    'given up by a renewal of 0',
    'legal',
    [begun, op(100, 110, renew(1, 'a', false, 0), ok), op(2_105, 2_115, claim('b'), acquired(2, 'b', 2))],
  ],
  [
    'a renewal without answer may have moved the lease',
    'legal',
    [begun, unanswered(5_000, renew(1, 'a')), op(16_000, 16_010, claim('b'), running(1))],
  ],
  ['or not', 'legal', [begun, unanswered(5_000, renew(1, 'a')), op(12_000, 12_010, claim('b'), acquired(2, 'b', 2))]],
  ['running although nobody renewed', 'I12', [begun, op(12_020, 12_030, claim('b'), running(1))]],
  [
    'the same under outage amnesty',
    'legal',
    [begun, op(12_020, 12_030, claim('b'), running(1))],
    { lateTakeover: true },
  ],
  [
    'renewed by the one that was taken over',
    'I1',
    [begun, op(12_000, 12_010, claim('b'), acquired(2, 'b', 2)), op(12_020, 12_030, renew(1, 'a'), ok)],
  ],
  ['told lost though the record was its own', 'I9', [begun, op(20, 30, renew(1, 'a'), lost)]],
])

describe('dead owners', () => {
  const operations = [begun, op(110, 120, claim('b'), acquired(2, 'b', 2))]
  const deaths = [{ process: 'pa', atMs: 100 }]

  test('are taken over at once where the store can see it', () => {
    expect(verdict({ operations, deaths, options: { deadOwnersAtOnce: true } })).toBe('legal')
  })
  test('but not before they died', () => {
    const late = [{ process: 'pa', atMs: 121 }]
    expect(verdict({ operations, deaths: late, options: { deadOwnersAtOnce: true } })).toBe('I1')
  })
  test('and not where it cannot', () => {
    expect(verdict({ operations, deaths })).toBe('I1')
  })
  test('ask for nothing more in an embedded store', () => {
    const haunted = [
      begun,
      unanswered(50, complete(1, 'a', 'v')),
      op(110, 120, claim('b'), running(1)),
      op(130, 140, claim('c'), completed(1, 'v')),
    ]
    expect(verdict({ operations: haunted, deaths, options: { deathEndsCalls: true } })).toBe('I2')
    expect(verdict({ operations: haunted, deaths })).toBe('legal')
  })
})
