import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/file-order.ts'

/**
 * Files that leave nothing behind in their process: no variables, mocks, listeners or servers. They share their
 * workers, one after the other, and with them what all of them load.
 */
const sharing = [
  'packages/gateway/test/**/*.test.ts',
  'packages/retrysafe/test/{engine,fingerprint,functions,protocol,providers,server,store-testkit}/**/*.test.ts',
  'packages/retrysafe/test/stores/memory/**/*.test.ts',
  'test/{history,house,property}/**/*.test.ts',
]
const others = {
  include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
  exclude: ['**/node_modules/**', ...sharing],
}
const patience = { testTimeout: 30_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    // Two cores; half of the time a worker waits for processes, servers and clocks.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'alone', globalSetup: 'test/support/postgres/template.ts', ...others, ...patience } },
      { test: { name: 'sharing', include: sharing, isolate: false, ...patience } },
    ],
  },
})
