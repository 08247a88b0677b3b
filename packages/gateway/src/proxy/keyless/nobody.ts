import type { Caller } from 'retrysafe/internal/server/caller'

/** Stands where the client was: what it is told goes nowhere, and holds nothing up. */
export const nobody: Caller = {
  problem() {},
  failed() {},
  whole() {},
  async replay() {},
  async live(follower) {
    follower.close()
  },
  relay: () => ({ write: () => true, end() {}, cut() {} }),
  breakOff() {},
}
