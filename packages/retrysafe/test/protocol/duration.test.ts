import { describe, expect, it } from 'vitest'
import { parseDuration, parseSize } from '../../src/protocol/duration.ts'

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['0ms', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['0.25s', 250],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['30d', 2_592_000_000],
    ['0.001s', 1],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    '',
    '5',
    '1',
    '-1s',
    '+1s',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1w',
    '1e3s',
    '.5s',
    '1.s',
    '1s1m',
    'NaNs',
    '∞s',
    '１s',
  ])('refuses %j', text => {
    expect(parseDuration(text)).toBeUndefined()
  })
})

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['512b', 512],
    ['64kb', 65_536],
    ['32mb', 33_554_432],
    ['32MB', 33_554_432],
    ['1gb', 1_073_741_824],
    ['1.5kb', 1_536],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each(['', '-1', '1 kb', '1kib', '1k', 'kb', '1tb', '0x10', '1e3', ' 1', '1,5kb'])('refuses %j', text => {
    expect(parseSize(text)).toBeUndefined()
  })
})
