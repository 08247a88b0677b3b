import {
  acquired,
  begun,
  claim,
  complete,
  completed,
  describeCases,
  mismatch,
  ok,
  op,
  release,
  renew,
  running,
  unanswered,
  unknownOnce,
} from './told-history.ts'

describeCases('payloads', [
  [
    'another payload is refused',
    'legal',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b', { raw: 's' }), mismatch)],
  ],
  [
    'another payload gets the outcome',
    'I3',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(40, 50, claim('b', { raw: 's' }), completed(1, 'v'))],
  ],
  ['another payload takes over', 'I3', [begun, op(12_020, 12_030, claim('b', { raw: 's' }), acquired(2, 'b', 2))]],
  [
    'another payload after the expiry',
    'legal',
    [begun, op(20, 30, complete(1, 'a', 'v'), ok), op(60_020, 60_030, claim('b', { raw: 's' }), acquired(2, 'b'))],
  ],
  [
    'another payload after an uncounted failure',
    'legal',
    [begun, op(20, 30, release(1, 'a', 'failed'), ok), op(40, 50, claim('b', { raw: 's' }), acquired(2, 'b'))],
  ],
  [
    'another payload after a counted one',
    'I3',
    [begun, op(20, 30, release(1, 'a', 'broken'), ok), op(40, 50, claim('b', { raw: 's' }), acquired(2, 'b'))],
  ],
  ['the same payload is refused', 'I3', [begun, op(20, 30, claim('b'), mismatch)]],
  [
    'undecided while a canonical form is missing',
    'legal',
    [begun, op(20, 30, claim('b', { raw: 's', canonical: 'c' }), { kind: 'undecided', fence: 1 })],
  ],
  [
    'the canonical form came with a renewal',
    'legal',
    [
      begun,
      op(20, 30, { step: 'renew', fence: 1, owner: 'a', leaseMs: 10_000, sent: true, canonical: 'c' }, ok),
      op(40, 50, claim('b', { raw: 's', canonical: 'c' }), running(1)),
      op(60, 70, claim('c', { raw: 't', canonical: 'd' }), mismatch),
    ],
  ],
  [
    'and is forgotten',
    'state table',
    [
      begun,
      op(20, 30, { step: 'renew', fence: 1, owner: 'a', leaseMs: 10_000, sent: true, canonical: 'c' }, ok),
      op(40, 50, claim('b', { raw: 's', canonical: 'c' }), { kind: 'undecided', fence: 1 }),
    ],
  ],
])

describeCases('attempts', [
  [
    'the cap is kept',
    'legal',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(20, 30, release(1, 'a', 'broken'), ok),
      op(40, 50, claim('b', { maxAttempts: 1 }), unknownOnce),
    ],
  ],
  [
    'the cap is exceeded on an open record',
    'I4',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(20, 30, release(1, 'a', 'broken'), ok),
      op(40, 50, claim('b', { maxAttempts: 1 }), acquired(2, 'b', 2)),
    ],
  ],
  [
    'the cap is exceeded by a takeover',
    'I4',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(12_020, 12_030, claim('b', { maxAttempts: 1 }), acquired(2, 'b', 2)),
    ],
  ],
  [
    'a claimant brings another cap',
    'I4',
    [
      op(0, 10, claim('a', { maxAttempts: 1 }), acquired(1, 'a')),
      op(12_020, 12_030, claim('b', { maxAttempts: 9 }), acquired(2, 'b', 2)),
    ],
  ],
  ['an attempt is not counted', 'I4', [begun, op(12_020, 12_030, claim('b'), acquired(2, 'b', 1))]],
  [
    'sent under fail never runs again',
    'legal',
    [
      op(0, 10, claim('a', { onCrash: 'fail' }), acquired(1, 'a', 1, false)),
      op(20, 30, renew(1, 'a', true), ok),
      op(12_040, 12_050, claim('b', { onCrash: 'fail' }), unknownOnce),
    ],
  ],
  [
    'sent under fail runs again',
    'I4',
    [
      op(0, 10, claim('a', { onCrash: 'fail' }), acquired(1, 'a', 1, false)),
      op(20, 30, renew(1, 'a', true), ok),
      op(12_040, 12_050, claim('b', { onCrash: 'fail' }), acquired(2, 'b', 2, false)),
    ],
  ],
  [
    'not sent under fail: taken over',
    'legal',
    [
      op(0, 10, claim('a', { onCrash: 'fail' }), acquired(1, 'a', 1, false)),
      op(12_040, 12_050, claim('b', { onCrash: 'fail' }), acquired(2, 'b', 2, false)),
    ],
  ],
  [
    'a mark without answer leaves both open',
    'legal',
    [
      op(0, 10, claim('a', { onCrash: 'fail' }), acquired(1, 'a', 1, false)),
      unanswered(20, renew(1, 'a', true)),
      op(12_040, 12_050, claim('b', { onCrash: 'fail' }), unknownOnce),
    ],
  ],
  [
    'unknown runs again',
    'I4',
    [
      op(0, 10, claim('a', { onCrash: 'fail' }), acquired(1, 'a', 1, false)),
      op(20, 30, release(1, 'a', 'broken'), ok),
      op(40, 50, claim('b', { onCrash: 'fail' }), acquired(2, 'b', 2, false)),
    ],
  ],
  [
    'cooling until the cooldown is over',
    'legal',
    [
      begun,
      op(20, 30, release(1, 'a', 'failed', 500), ok),
      op(40, 50, claim('b'), { kind: 'cooling', fence: 1 }),
      op(520, 530, claim('c'), acquired(2, 'c')),
    ],
  ],
  [
    'acquired within the cooldown',
    'state table',
    [begun, op(20, 30, release(1, 'a', 'failed', 500), ok), op(40, 50, claim('b'), acquired(2, 'b'))],
  ],
  [
    'cooling for too long',
    'state table',
    [begun, op(20, 30, release(1, 'a', 'failed', 500), ok), op(540, 550, claim('b'), { kind: 'cooling', fence: 1 })],
  ],
])
