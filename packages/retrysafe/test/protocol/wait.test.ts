import { describe, expect, it } from 'vitest'
import { type WaitHeaders, waitBoundMs } from '../../src/protocol/wait.ts'

function bound(headers: Partial<WaitHeaders>, maxWaitMs = 600_000): number {
  return waitBoundMs(
    {
      retrysafeWait: undefined,
      prefer: undefined,
      stainlessTimeout: undefined,
      stainlessReadTimeout: undefined,
      ...headers,
    },
    maxWaitMs,
  )
}

describe('waitBoundMs', () => {
  it("is the operator's bound when the client says nothing", () => {
    expect(bound({})).toBe(600_000)
    expect(bound({}, 0)).toBe(0)
  })

  it.each([
    // T − max(min(1 s, T/4), 5 % of T)
    ['1', 750],
    ['2', 1_500],
    ['4', 3_000],
    ['10', 9_000],
    ['20', 19_000],
    ['60', 57_000],
    ['600', 570_000],
  ])('ends before a client that waits %s s', (stainlessTimeout, ms) => {
    expect(bound({ stainlessTimeout })).toBe(ms)
    expect(bound({ stainlessReadTimeout: stainlessTimeout })).toBe(ms)
  })

  it('takes the smaller of both bounds', () => {
    expect(bound({ stainlessTimeout: '3600' })).toBe(600_000)
    expect(bound({ stainlessTimeout: '60' }, 30_000)).toBe(30_000)
    expect(bound({ stainlessTimeout: '60', retrysafeWait: '5' })).toBe(5_000)
    expect(bound({ stainlessTimeout: '2', retrysafeWait: '5' })).toBe(1_500)
  })

  it('ignores a time-out of 0 and what is no number', () => {
    expect(bound({ stainlessTimeout: '0' })).toBe(600_000)
    expect(bound({ stainlessTimeout: '0', stainlessReadTimeout: '10' })).toBe(9_000)
    expect(bound({ stainlessTimeout: 'NaN', stainlessReadTimeout: '10' })).toBe(9_000)
    expect(bound({ stainlessTimeout: '-1' })).toBe(600_000)
    expect(bound({ stainlessReadTimeout: 'not-given' })).toBe(600_000)
    expect(bound({ stainlessReadTimeout: '0.0' })).toBe(600_000)
  })

  it("takes Python's fractions", () => {
    expect(bound({ stainlessReadTimeout: '2.5' })).toBe(1_875)
  })

  it('prefers X-Stainless-Timeout to the read time-out', () => {
    expect(bound({ stainlessTimeout: '10', stainlessReadTimeout: '60' })).toBe(9_000)
  })

  it('refuses at once at 0', () => {
    expect(bound({ retrysafeWait: '0' })).toBe(0)
    expect(bound({ prefer: 'wait=0' })).toBe(0)
    expect(bound({ retrysafeWait: '0', prefer: 'wait=10', stainlessTimeout: '60' })).toBe(0)
  })

  it('lets Retrysafe-Wait beat Prefer', () => {
    expect(bound({ retrysafeWait: '5', prefer: 'wait=10' })).toBe(5_000)
    expect(bound({ retrysafeWait: '20', prefer: 'wait=10' })).toBe(20_000)
    expect(bound({ retrysafeWait: '0.5' })).toBe(500)
    expect(bound({ retrysafeWait: ' 5 ' })).toBe(5_000)
  })

  it('lets no client lift the bound', () => {
    expect(bound({ retrysafeWait: '999999' }, 10_000)).toBe(10_000)
    expect(bound({ prefer: 'wait=999999' }, 10_000)).toBe(10_000)
  })

  it.each([
    ['wait=10', 10_000],
    ['respond-async, wait=10', 10_000],
    ['wait=10, respond-async', 10_000],
    ['wait=10; respond-async', 10_000],
    ['respond-async,wait=10', 10_000],
    ['Wait = 10', 10_000],
    ['wait="10"', 10_000],
    ['await=10', 600_000],
    ['wait', 600_000],
    ['wait=', 600_000],
    ['wait=-1', 600_000],
    ['wait=10s', 600_000],
    ['', 600_000],
  ])('reads Prefer: %s', (prefer, ms) => {
    expect(bound({ prefer })).toBe(ms)
  })

  it('ignores a Retrysafe-Wait that is no number', () => {
    expect(bound({ retrysafeWait: 'soon', prefer: 'wait=10' })).toBe(10_000)
    expect(bound({ retrysafeWait: '-5' })).toBe(600_000)
    expect(bound({ retrysafeWait: '' })).toBe(600_000)
  })
})
