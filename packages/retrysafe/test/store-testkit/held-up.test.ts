import { expect, it } from 'vitest'
import type { KitHarness } from '../../src/store-testkit/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { ManualTime } from '../support/manual-time.ts'
import { runKit } from './collecting-runner.ts'

const name = 'I1 a takeover comes only after lease and grace'

/** A clock that runs by itself: in the first `times` cases `heldUpMs` longer than it was told at each pass. */
function busyHarness(times: number, heldUpMs: number): KitHarness {
  let time = new ManualTime()
  let opened = 0
  return {
    async open() {
      opened++
      time = new ManualTime()
      return memoryStore({ clock: time.clock })
    },
    pass: async ms => time.jump(ms + (opened <= times ? heldUpMs : 10)),
    maxPassMs: 10_000,
  }
}

it('runs a case again when the machine was held up, and takes what comes then', async () => {
  const { passed, failed } = await runKit(busyHarness(2, 1_500), wanted => wanted === name)
  expect([passed, [...failed]]).toEqual([[name], []])
})

it('fails when it is held up each time, and at once when it was not', async () => {
  expect((await runKit(busyHarness(3, 1_500), wanted => wanted === name)).failed.size).toBe(1)
  let opened = 0
  const broken: KitHarness = {
    ...busyHarness(0, 0),
    async open() {
      opened++
      const store = memoryStore()
      return { ...store, claim: terms => store.claim({ ...terms, leaseMs: 1 }) }
    },
    pass: async () => {},
  }
  const { failed } = await runKit(broken, wanted => wanted === name)
  expect([failed.size, opened]).toEqual([1, 1])
})
