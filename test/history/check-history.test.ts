import { expect, test } from 'vitest'
import { checkHistory } from './check-history.ts'
import {
  acquired,
  begun,
  claim,
  complete,
  completed,
  ok,
  op,
  running,
  told,
  unknownOnce,
  verdict,
} from './told-history.ts'

test('keys do not meet', () => {
  const other = { ...op(0, 10, claim('b'), acquired(1, 'b')), key: 'l' }
  expect(verdict(told(begun, other))).toBe('legal')
})

test('a violation prints the shortest beginning that has no explanation', () => {
  const violation = checkHistory(
    told(
      begun,
      op(20, 30, complete(1, 'a', 'v'), ok),
      op(25, 80, claim('c'), completed(1, 'v')),
      op(40.5, 50, claim('b'), acquired(2, 'b')),
      op(60, 70, complete(2, 'b', 'w'), ok),
    ),
  )[0]
  expect(violation?.text).toBe(
    [
      'k: I5: acquired after an acknowledged complete',
      'invoke  return  process  call                                                                             answer',
      '0       10      pa       claim owner=a raw=r leaseMs=10000 retentionMs=60000 onCrash=rerun maxAttempts=3  acquired fence=1 owner=a attempt=1 sent=true',
      '20      30      pa       complete fence=1 owner=a value=v                                                 ok',
      '25      ...     pc       claim owner=c raw=r leaseMs=10000 retentionMs=60000 onCrash=rerun maxAttempts=3  no answer',
      '40.5    50      pb       claim owner=b raw=r leaseMs=10000 retentionMs=60000 onCrash=rerun maxAttempts=3  acquired fence=2 owner=b attempt=1 sent=true',
    ].join('\n'),
  )
})

test('a search that is too hard says so', () => {
  const claims = Array.from({ length: 12 }, (_, index) =>
    op(0, 1_000_000 + index, claim(`o${index}`), index % 2 === 0 ? unknownOnce : running(9)),
  )
  const violation = checkHistory({ operations: claims, options: { maxSteps: 10 } })[0]
  expect(violation).toMatchObject({ kind: 'too hard', key: 'k' })
})
