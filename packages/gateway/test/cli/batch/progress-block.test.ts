import { describe, expect, test } from 'vitest'
import { progressBlock } from '../../../src/cli/batch/progress-block.ts'
import { widthOf } from '../../../src/cli/batch/terminal-style.ts'
import { midway } from './progress.ts'

const plain = { color: false, unicode: true }

describe('the display of a batch', () => {
  test('80 columns wide', () => {
    expect(progressBlock(midway, 'nightly-2026-11-23', 80, plain)).toEqual([
      'nightly-2026-11-23                                                       0:01:12',
      `${'━'.repeat(51)}${'─'.repeat(23)}  68 %`,
      '13,600 of 20,000 done · 3 failed · 16 of 16 in flight',
      '1,204 kept · 312 replayed · 188/s · ETA 34 s',
      '1.2M tokens in · 310k out · about $1.23 spent · $0.1234 saved',
    ])
  })

  test('40 columns wide: what has no room beside goes below', () => {
    expect(progressBlock(midway, 'nightly-2026-11-23', 40, plain)).toEqual([
      'nightly-2026-11-23               0:01:12',
      `${'━'.repeat(24)}${'─'.repeat(10)}  68 %`,
      '13,600 of 20,000 done · 3 failed',
      '16 of 16 in flight',
      '1,204 kept · 312 replayed · 188/s',
      'ETA 34 s',
      '1.2M tokens in · 310k out',
      'about $1.23 spent · $0.1234 saved',
    ])
  })

  test('a terminal without Unicode gets ASCII', () => {
    const ascii = progressBlock(midway, 'nightly', 60, { color: false, unicode: false })
    expect(ascii.slice(1, 3)).toEqual([
      `${'#'.repeat(36)}x${'-'.repeat(17)}  68 %`,
      '13,600 of 20,000 done | 3 failed | 16 of 16 in flight',
    ])
    expect(ascii.join('')).toMatch(/^[\x20-\x7e]*$/)
  })

  test.each([1, 2, 7, 12, 19, 33, 79, 200])('no line is wider than %i columns, nor than 80', columns => {
    const title = 'a very long name of a batch, 夜間バッチ処理, that no terminal has room for in one line of its own'
    const shown = { ...midway, heldMs: 12_000, trouble: '429: slow down, please, there are others' }
    for (const color of [false, true]) {
      const lines = progressBlock(shown, title, columns, { color, unicode: true })
      expect(lines.filter(line => widthOf(line) > Math.min(columns, 80))).toEqual([])
    }
  })

  test('a name cannot write into the terminal', () => {
    const [first] = progressBlock(midway, 'a\u001b[2Jb\nc\u009b1m', 40, plain)
    expect(first).toBe('a?[2Jb?c?1m                      0:01:12')
  })

  test('colours stand around what they mean, and only where they are wanted', () => {
    const painted = progressBlock(midway, 'nightly', 80, { color: true, unicode: true })
    expect(painted[2]).toContain('\u001b[31m3 failed\u001b[39m')
    expect(painted[1]).toContain('\u001b[32m━')
    expect(progressBlock(midway, 'nightly', 80, plain).join('')).not.toContain('\u001b')
  })

  test('says why it waits', () => {
    const held = { ...midway, heldMs: 12_000 }
    expect(progressBlock(held, 'n', 80, plain).at(-1)).toBe(
      'waiting 12 s: the upstream asked for it, or is out of reach',
    )
    expect(progressBlock({ ...held, trouble: 'BatchRefusal: the answer was 429' }, 'n', 80, plain).at(-1)).toBe(
      'waiting 12 s: the answer was 429',
    )
    expect(progressBlock({ ...held, trouble: 'ECONNREFUSED' }, 'n', 80, plain).at(-1)).toBe(
      'waiting 12 s: ECONNREFUSED',
    )
    expect(progressBlock({ ...held, heldMs: 499 }, 'n', 80, plain).at(-1)).not.toContain('waiting')
    const idle = { ...midway, awaited: 1, inFlight: 0 }
    expect(progressBlock(idle, 'n', 80, plain).at(-1)).toBe(
      'waiting for 1 item: taken by another run, or by one that died (--lease)',
    )
    expect(progressBlock({ ...idle, trouble: 'Redis is out of reach' }, 'n', 80, plain).at(-1)).toBe(
      'waiting for 1 item: Redis is out of reach',
    )
    expect(progressBlock({ ...idle, inFlight: 2 }, 'n', 80, plain).at(-1)).not.toContain('waiting')
    expect(progressBlock({ ...midway, phase: 'reading' }, 'n', 80, plain).at(-1)).toBe('reading the input')
  })

  test('is full when all is done, and says nothing of money that nobody knows', () => {
    const over = { ...midway, done: 20_000, failed: 0, etaMs: undefined, usdSpent: null, usdSaved: null }
    expect(progressBlock(over, 'nightly', 80, plain).slice(1)).toEqual([
      `${'━'.repeat(74)} 100 %`,
      '20,000 of 20,000 done · 0 failed · 16 of 16 in flight',
      '1,204 kept · 312 replayed · 188/s · ETA unknown',
      '1.2M tokens in · 310k out',
    ])
  })

  test('money that leaves something out is at least that', () => {
    const lines = progressBlock({ ...midway, withoutPrice: 1 }, 'nightly', 80, plain)
    expect(lines.at(-1)).toBe('1.2M tokens in · 310k out · at least $1.23 spent · $0.1234 saved')
  })

  test('of an input that is still read, nothing is known', () => {
    const reading = { ...midway, phase: 'reading' as const, total: 0, done: 0, failed: 0 }
    expect(progressBlock(reading, 'nightly', 40, plain)[1]).toBe(`${'─'.repeat(34)}   0 %`)
  })
})
