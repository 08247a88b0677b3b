import { expect, onTestFinished, test, vi } from 'vitest'
import { safeIn } from '../../src/engine/safe.ts'
import { createRetrysafe, type RetrysafeOptions } from '../../src/retrysafe.ts'

function open(options: Partial<RetrysafeOptions> = {}) {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const safe = createRetrysafe({ store: 'memory:', ...options })
  onTestFinished(async () => {
    warn.mockRestore()
    await safe.close()
  })
  const warnOnce = (topic: string, message: string): void => safeIn(safe)?.warnOnce(topic, message)
  return { safe, warnOnce, told: () => warn.mock.calls.map(([message]) => message) }
}

test('each topic is told once, and 1,000 at most', () => {
  const { warnOnce, told } = open()
  for (let at = 0; at < 3_000; at++) warnOnce(`topic ${at >> 1}`, `message ${at}`)
  expect(told()).toHaveLength(1_001)
  expect(told().slice(998)).toEqual(['message 1996', 'message 1998', '1000 warnings were given; no more are'])
})

test('topics that begin alike are one', () => {
  const { warnOnce, told } = open()
  const long = 'x'.repeat(199)
  for (const topic of [`${long}ab`, `${long}ac`, `${long}b`]) warnOnce(topic, topic.slice(199))
  expect(told()).toEqual(['ab', 'b'])
})

test('a listener that throws what has no text changes nothing', async () => {
  const { safe, told } = open({
    onEvent() {
      throw Object.create(null)
    },
  })
  const sum = safe.idempotent(async (one: number, other: number) => one + other, { name: 'sum', key: () => 'k' })
  expect(await sum(1, 2)).toBe(3)
  expect(told()).toEqual(['onEvent failed: something that has no text (object)'])
})
