import { expect, test } from 'vitest'
import { headerNameOf } from '../../src/server/header-names.ts'

test('a name is remembered, but not one that is as long as only a hostile one is', () => {
  const short = 'X-Remembered'.padEnd(64, 'x')
  expect(headerNameOf(short)).toBe(headerNameOf(short))
  const long = `${short}x`
  expect(headerNameOf(long)).not.toBe(headerNameOf(long))
  expect(headerNameOf(long)).toEqual({
    name: long.toLowerCase(),
    hopByHop: false,
    ours: false,
    replayable: true,
    slot: -1,
  })
})
