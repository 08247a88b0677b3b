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
  running,
  unanswered,
} from './told-history.ts'

describeCases('completion', [
  ['replayed', 'legal', [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b'), completed(1, 'v'))]],
  [
    'replayed while it is being acknowledged',
    'legal',
    [begun, op(20, 90, complete(1, 'a', 'v'), ok), op(40, 50, claim('b'), completed(1, 'v'))],
  ],
  [
    'replayed before it was sent',
    'I2',
    [begun, op(11, 15, claim('b'), completed(1, 'v')), op(20, 30, complete(1, 'a', 'v'), ok)],
  ],
  ['another value', 'I2', [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b'), completed(1, 'w'))]],
  ['another fence', 'I2', [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b'), completed(2, 'v'))]],
  [
    'forgotten: it runs again',
    'I5',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b'), acquired(2, 'b'))],
  ],
  [
    'forgotten: it is still running',
    'I5',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b'), running(1))],
  ],
  [
    'sent twice',
    'legal',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, complete(1, 'a', 'v'), { kind: 'dup' })],
  ],
  ['taken twice', 'I7', [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, complete(1, 'a', 'v'), ok)]],
  ['a second outcome', 'I2', [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, complete(1, 'a', 'w'), ok)]],
  ['dup, but nothing was stored', 'I7', [begun, op(40, 50, complete(1, 'a', 'v'), { kind: 'dup' })]],
  ['by a lapsed owner that nobody took over', 'legal', [begun, op(30_000, 30_010, complete(1, 'a', 'v'), ok)]],
  [
    'of a zombie, after the takeover',
    'I1',
    [begun, op(12_000, 12_010, claim('b'), acquired(2, 'b', 2)), op(12_020, 12_030, complete(1, 'a', 'v'), ok)],
  ],
  [
    'of a zombie, refused',
    'legal',
    [begun, op(12_000, 12_010, claim('b'), acquired(2, 'b', 2)), op(12_020, 12_030, complete(1, 'a', 'v'), lost)],
  ],
  [
    'the zombie value is shown after the takeover',
    'I6',
    [
      begun,
      unanswered(11_000, complete(1, 'a', 'v')),
      op(12_000, 12_010, claim('b'), acquired(2, 'b', 2)),
      op(12_020, 12_030, claim('c'), completed(1, 'v')),
    ],
  ],
  [
    'resurrected, on a store that loses nothing',
    'state table',
    [begun, op(20, 30, complete(1, 'a', 'v'), { kind: 'resurrected' })],
  ],
])

describeCases('no answer', [
  [
    'a complete without answer took effect later',
    'legal',
    [
      begun,
      unanswered(20, complete(1, 'a', 'v')),
      op(5_000, 5_010, claim('b'), running(1)),
      op(6_000, 6_010, claim('c'), completed(1, 'v')),
    ],
  ],
  [
    'or never',
    'legal',
    [begun, unanswered(20, complete(1, 'a', 'v')), op(12_020, 12_030, claim('b'), acquired(2, 'b', 2))],
  ],
  [
    'but not once, and then not',
    'I5',
    [
      begun,
      unanswered(20, complete(1, 'a', 'v')),
      op(6_000, 6_010, claim('c'), completed(1, 'v')),
      op(7_000, 7_010, claim('b'), running(1)),
    ],
  ],
  [
    'a claim without answer took effect',
    'legal',
    [
      unanswered(0, claim('a')),
      op(10, 20, claim('b'), running(5)),
      op(30, 40, claim('a'), acquired(5, 'a')),
      op(50, 60, complete(5, 'a', 'v'), ok),
    ],
  ],
  [
    'and its fence is another than was told',
    'I7',
    [unanswered(0, claim('a')), op(10, 20, claim('b'), running(5)), op(30, 40, claim('a'), acquired(6, 'a'))],
  ],
  [
    'a request that arrives again after the record was freed begins a run',
    'legal',
    [begun, unanswered(0, claim('a')), op(20, 30, release(1, 'a', 'free'), ok), op(40, 50, claim('b'), running(2))],
  ],
  [
    'it cannot arrive later than is known',
    'I9',
    [
      begun,
      { ...unanswered(0, claim('a')), returnedAtMs: 25 },
      op(26, 30, release(1, 'a', 'free'), ok),
      op(40, 50, claim('b'), running(2)),
    ],
  ],
  [
    'busy may have taken effect',
    'legal',
    [begun, op(20, 30, complete(1, 'a', 'v'), { kind: 'busy' }), op(40, 50, claim('b'), completed(1, 'v'))],
  ],
  ['a full store did nothing', 'I9', [op(0, 10, claim('a'), { kind: 'full' }), op(20, 30, claim('b'), running(1))]],
])
