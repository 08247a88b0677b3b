import { expect } from 'vitest'

/** An expectation that is met as soon as what `read` gives meets it; it fails when that takes longer than ten seconds. */
export function eventually<Value>(read: () => Value | Promise<Value>): ReturnType<typeof expect.poll<Value>> {
  return expect.poll(read, { timeout: 10_000, interval: 10 })
}
