import { expect, it } from 'vitest'
import { uuidMaker } from '../../src/protocol/uuid.ts'

it('puts milliseconds, counter, variant and randomness where RFC 9562 has them', () => {
  const times = [0x017f22e279b0, 0x017f22e279b0, 1_000, 0x017f22e279b1]
  const uuid = uuidMaker({
    wallMs: () => times.shift() ?? 0,
    bytes: () => Uint8Array.of(0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xff, 0x0f),
  })
  expect([uuid(), uuid(), uuid(), uuid()]).toEqual([
    '017f22e2-79b0-770f-bf01-020304050607',
    '017f22e2-79b0-7710-bf01-020304050607',
    '017f22e2-79b0-7711-bf01-020304050607',
    '017f22e2-79b1-770f-bf01-020304050607',
  ])
})

it('borrows a millisecond when the counter is full', () => {
  const uuid = uuidMaker({ wallMs: () => 1, bytes: length => new Uint8Array(length) })
  const made = Array.from({ length: 4_097 }, uuid)
  expect([made[0], made[4_095], made[4_096]]).toEqual([
    '00000000-0001-7000-8000-000000000000',
    '00000000-0001-7fff-8000-000000000000',
    '00000000-0002-7000-8000-000000000000',
  ])
})
