import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseRetryAfter, parseSeconds } from '../../src/protocol/seconds.ts'

/** Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110. */
const exampleMs = 784_111_777_000

describe('parseSeconds', () => {
  it.each([
    ['0', 0],
    ['7', 7],
    ['1.5', 1.5],
    [' 7 ', 7],
    ['999999999', 999_999_999],
  ])('reads %j', (text, seconds) => {
    expect(parseSeconds(text)).toBe(seconds)
  })

  it.each([undefined, '', '-1', '+1', '1e3', '0x1', '1,5', '.5', '1.', 'NaN', 'Infinity', '1 2'])(
    'refuses %j',
    text => {
      expect(parseSeconds(text)).toBeUndefined()
    },
  )
})

describe('parseRetryAfter', () => {
  const read = (retryAfter?: string, retryAfterMs?: string): number | undefined =>
    parseRetryAfter({ retryAfter, retryAfterMs }, exampleMs - 5_000)

  it('reads ms, seconds and a date, in this order', () => {
    expect(read(undefined, '1500')).toBe(1_500)
    expect(read('2')).toBe(2_000)
    expect(read('0')).toBe(0)
    expect(read('2', '1500')).toBe(1_500)
    expect(read('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(5_000)
    expect(read('2', 'soon')).toBe(2_000)
  })

  it('is 0 for a date that has passed', () => {
    expect(read('Sun, 06 Nov 1994 08:49:00 GMT')).toBe(0)
  })

  it('says nothing when the headers say nothing', () => {
    expect(read()).toBeUndefined()
    expect(read('')).toBeUndefined()
    expect(read('soon')).toBeUndefined()
  })

  // Date.parse takes all of these for dates of long ago, which would make the cooldown 0.
  it.each(['-5', 'in 5', '+3', '1.2.3', '5 apples 1'])('takes %j for no value', retryAfter => {
    expect(read(retryAfter)).toBeUndefined()
  })

  describe('far from Greenwich', () => {
    const before = process.env['TZ']
    beforeEach(() => {
      process.env['TZ'] = 'America/New_York'
    })
    afterEach(() => {
      if (before === undefined) delete process.env['TZ']
      else process.env['TZ'] = before
    })

    it('reads the obsolete asctime form as UTC (RFC 9110 §5.6.7)', () => {
      expect(read('Sun Nov  6 08:49:37 1994')).toBe(5_000)
    })

    it('reads the other obsolete form', () => {
      expect(read('Sunday, 06-Nov-94 08:49:37 GMT')).toBe(5_000)
    })
  })
})
