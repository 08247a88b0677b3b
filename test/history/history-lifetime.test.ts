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
  unknownOnce,
} from './told-history.ts'

describeCases('healing', [
  [
    'a late complete heals unknown under its own token',
    'legal',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(12_020, 12_030, claim('b', { maxAttempts: 1 }), unknownOnce),
      op(12_040, 12_050, complete(1, 'a', 'v'), ok),
      op(12_060, 12_070, claim('c', { maxAttempts: 1 }), completed(1, 'v')),
    ],
  ],
  [
    'it is told lost',
    'I9',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(12_020, 12_030, claim('b', { maxAttempts: 1 }), unknownOnce),
      op(12_040, 12_050, complete(1, 'a', 'v'), lost),
    ],
  ],
  [
    'somebody else heals it',
    'I1',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(12_020, 12_030, claim('b', { maxAttempts: 1 }), unknownOnce),
      op(12_040, 12_050, complete(1, 'b', 'v'), ok),
    ],
  ],
])

describeCases('expiry', [
  [
    'absent after the retention',
    'legal',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(60_020, 60_030, claim('b'), acquired(2, 'b'))],
  ],
  [
    'absent 1 ms early',
    'I5',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(60_000, 60_019, claim('b'), acquired(2, 'b'))],
  ],
  [
    'served after its end',
    'I9',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(60_031, 60_040, claim('b'), completed(1, 'v'))],
  ],
  [
    'served after its end, by a wall clock that was set',
    'legal',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(60_031, 60_040, claim('b'), completed(1, 'v'))],
    { wallSlackMs: 1_000 },
  ],
  [
    'a counted record is forgotten',
    'I4',
    [begun, op(20, 30, release(1, 'a', 'broken'), ok), op(40, 50, claim('b'), acquired(2, 'b', 1))],
  ],
  ['a running record is gone', 'I9', [begun, op(20, 30, { step: 'get' }, { kind: 'absent' })]],
  [
    'a live lease outlasts any retention',
    'legal',
    [
      op(0, 10, claim('a', { retentionMs: 1_000 }), acquired(1, 'a')),
      op(11_500, 11_600, claim('b', { retentionMs: 1_000 }), running(1)),
    ],
  ],
])

describeCases('operators', [
  [
    'purge frees a completed record',
    'legal',
    [
      begun,
      op(20, 30, complete(1, 'a', 'v'), ok),
      op(40, 50, { step: 'purge', fence: 1, force: false }, ok),
      op(60, 70, claim('b'), acquired(2, 'b')),
    ],
  ],
  [
    'purge names another fence',
    'I9',
    [
      begun,
      op(12_020, 12_030, claim('b'), acquired(2, 'b', 2)),
      op(12_040, 12_050, { step: 'purge', fence: 1, force: true }, ok),
    ],
  ],
  [
    'that is refused',
    'legal',
    [
      begun,
      op(12_020, 12_030, claim('b'), acquired(2, 'b', 2)),
      op(12_040, 12_050, { step: 'purge', fence: 1, force: true }, { kind: 'changed' }),
    ],
  ],
  [
    'a purged owner completes',
    'I1',
    [begun, op(20, 30, { step: 'purge', fence: 1, force: true }, ok), op(40, 50, complete(1, 'a', 'v'), ok)],
  ],
  [
    'an outcome is served after its purge',
    'I9',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      unanswered(20, complete(1, 'a', 'v')),
      op(40, 50, { step: 'purge', fence: 1, force: true }, ok),
      op(60, 70, claim('b', { maxAttempts: 1 }), acquired(2, 'b')),
      op(80, 90, { step: 'purge', fence: 2, force: true }, ok),
      op(100, 110, claim('c', { maxAttempts: 1 }), completed(2, 'v')),
    ],
  ],
  [
    'purge spares a running record without force',
    'legal',
    [begun, op(20, 30, { step: 'purge', fence: 1, force: false }, { kind: 'running' })],
  ],
  [
    'purge takes a running record without force',
    'state table',
    [begun, op(20, 30, { step: 'purge', fence: 1, force: false }, ok)],
  ],
  [
    'resolve frees an unknown record',
    'legal',
    [
      op(0, 10, claim('a', { onCrash: 'fail' }), acquired(1, 'a', 1, false)),
      op(20, 30, release(1, 'a', 'broken'), ok),
      op(40, 50, { step: 'resolve', fence: 1 }, ok),
      op(60, 70, claim('b', { onCrash: 'fail' }), acquired(2, 'b', 1, false)),
    ],
  ],
  [
    'a cancellation is seen at the next renewal',
    'legal',
    [begun, op(20, 30, { step: 'cancel', fence: 1 }, ok), op(40, 50, renew(1, 'a'), { kind: 'ok', cancelled: true })],
  ],
  [
    'a cancellation is not seen',
    'state table',
    [begun, op(20, 30, { step: 'cancel', fence: 1 }, ok), op(40, 50, renew(1, 'a'), { kind: 'ok', cancelled: false })],
  ],
  [
    'get shows an older fence',
    'I6',
    [
      begun,
      op(12_020, 12_030, claim('b'), acquired(2, 'b', 2)),
      op(12_040, 12_050, { step: 'get' }, { kind: 'view', state: 'running', fence: 1, attempt: 1 }),
    ],
  ],
])
