import { describe, expect, test } from 'vitest'
import { serveFlags } from '../../src/config/flags.ts'
import { graceOf, type LeftCall } from '../../src/proxy/grace.ts'

const keyed: LeftCall = { kind: 'keyed' }
const keyless: LeftCall = { kind: 'keyless' }
const paired: LeftCall = { kind: 'paired', isHeadOut: false }
const pairedAfterHead: LeftCall = { kind: 'paired', isHeadOut: true }
const calls = [keyed, keyless, paired, pairedAfterHead]

test('auto finishes what has a key, waits two minutes for the retry of a paired call, and stops the rest', () => {
  expect(calls.map(call => graceOf('auto', call))).toEqual(['finish', 0, 120_000, 0])
})

test.each(['finish', 0, 30_000] as const)('%s holds for every call', policy => {
  for (const call of calls) expect(graceOf(policy, call)).toBe(policy)
})

describe('--on-disconnect', () => {
  test.each([
    ['auto', 'auto'],
    ['finish', 'finish'],
    ['cancel', 0],
    ['grace:500ms', 500],
    ['grace:24h', 86_400_000],
  ])('%s is %s', (text, policy) => {
    expect(serveFlags.onDisconnect.read(text)).toBe(policy)
  })

  test.each(['never', 'grace', 'grace:', 'grace:soon', 'grace:25h', 'Cancel', ''])('%j is refused', text => {
    expect(() => serveFlags.onDisconnect.read(text)).toThrow(
      'it takes auto, finish, cancel or grace:DURATION, at most grace:24h',
    )
  })
})
