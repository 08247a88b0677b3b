import { describe, it } from 'vitest'
import { testStore } from '../../../src/store-testkit/index.ts'
import { memoryStore } from '../../../src/stores/memory/store.ts'
import { ManualTime } from '../../support/manual-time.ts'

let time = new ManualTime()

testStore(
  { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) },
  {
    async open() {
      time = new ManualTime()
      return memoryStore({ clock: time.clock })
    },
    pass: async ms => time.jump(ms),
    jumpWall: ms => time.jumpWall(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
  },
)
