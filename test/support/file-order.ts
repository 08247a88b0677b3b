import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, in this order. vitest knows durations only from earlier runs on the same machine; without
 * it begins with the largest files, and some of the longest are a few lines that call a kit.
 */
const longest: readonly string[] = [
  'test/e2e/client-streams.test.ts',
  'test/sdk/client.test.ts',
  'test/e2e/bench.test.ts',
  'test/simulation/mutants.test.ts',
  'test/e2e/crash-ends/store-dies.test.ts',
  'test/e2e/crash-ends/gateway-dies.test.ts',
  'test/e2e/redis/takeovers.test.ts',
  'test/e2e/gateway-load-balancer.test.ts',
  'packages/retrysafe/test/stores/postgres/kit-bouncer.test.ts',
  'test/simulation/other-half.test.ts',
  'test/e2e/postgres/answers.test.ts',
  'test/server-cases/postgres.test.ts',
  'test/simulation/simulation.test.ts',
  'test/fault/postgres/kills.test.ts',
  'test/e2e/gateway-store-gone.test.ts',
  'test/e2e/redis-bad-input.test.ts',
  'test/e2e/postgres/sdk-retries.test.ts',
  'test/e2e/postgres/takeovers.test.ts',
  'test/mutants/sql-mutants.test.ts',
  'test/sdk/ai.test.ts',
  'test/e2e/docs-snippets.test.ts',
  'test/fault/redis/kills.test.ts',
  'test/fault/batch/kills.test.ts',
  'test/sdk/openai.test.ts',
  'test/e2e/batch-failures.test.ts',
  'test/e2e/batch-cli.test.ts',
  'test/e2e/batch-refusals.test.ts',
  'test/e2e/batch-stops.test.ts',
  'test/server-cases/memory.test.ts',
  'test/e2e/postgres/bad-input.test.ts',
  'packages/retrysafe/test/stores/postgres/kit.test.ts',
  'test/e2e/gateway-sdk-retries.test.ts',
  'test/fault/lmdb/kills.test.ts',
  'test/fault/postgres/race.test.ts',
  'test/e2e/batch-crash-points.test.ts',
  'test/e2e/batch-restart.test.ts',
  'test/e2e/gateway-store-gone-open.test.ts',
  'test/e2e/readme.test.ts',
  'packages/retrysafe/test/stores/lmdb/kit.test.ts',
  'packages/retrysafe/test/batch/kills.test.ts',
  'packages/retrysafe/test/batch/memory.test.ts',
  'test/simulation/replay-postgres.test.ts',
  'test/e2e/gateway-http-encodings.test.ts',
  'packages/retrysafe/test/stores/postgres/kit-clock.test.ts',
  'test/e2e/gateway-usage.test.ts',
  'test/e2e/gateway-disconnect.test.ts',
  'test/e2e/gateway-store-full.test.ts',
  'test/e2e/gateway-outcome-kept.test.ts',
  'test/fault/redis/zombies.test.ts',
  'test/fault/postgres/zombies.test.ts',
  'test/e2e/redis/single.test.ts',
  'packages/retrysafe/test/stores/redis/kit-clock.test.ts',
  'test/e2e/redis/sdk-retries.test.ts',
  'test/e2e/gateway-sdk-retries-memory.test.ts',
  'test/fault/redis/cuts.test.ts',
  'test/fault/redis/race.test.ts',
  'test/sdk/google-genai.test.ts',
  'packages/retrysafe/test/stores/redis/own-client.test.ts',
  'packages/retrysafe/test/stores/redis/kit-cluster-ioredis.test.ts',
  'test/simulation/replay-redis.test.ts',
  'test/sdk/anthropic.test.ts',
  'packages/retrysafe/test/stores/redis/growth.test.ts',
  'test/e2e/gateway-http-answers.test.ts',
  'test/e2e/gateway-http-silence.test.ts',
  'packages/retrysafe/test/stores/redis/kit-cluster-redis.test.ts',
  'test/fault/lmdb/race.test.ts',
  'packages/retrysafe/test/stores/redis/client-contract.test.ts',
  'test/e2e/gateway-store-folder.test.ts',
  'test/e2e/redis/join-latency.test.ts',
  'packages/retrysafe/test/stores/postgres/doctor.test.ts',
  'test/fault/lmdb/follow.test.ts',
  'test/fault/lmdb/stop.test.ts',
  'packages/retrysafe/test/batch/file/file-kills.test.ts',
  'test/e2e/gateway-crash-takeover.test.ts',
  'packages/retrysafe/test/stores/redis/reconnect.test.ts',
  'test/e2e/migrate.test.ts',
  'test/support/redis/cluster.test.ts',
  'test/history/random-history.test.ts',
]

/** vitest's order, but the longest first: one that begins late leaves the other workers with nothing to do. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = this.ctx.config.root
    const rankOf = ({ moduleId, project }: TestSpecification): number => {
      const place = longest.indexOf(relative(root, moduleId))
      // Files that share workers stay together, at the end.
      return (place < 0 ? longest.length : place) + (project.config.isolate ? 0 : 2 * longest.length)
    }
    return (await super.sort(files)).sort((one, other) => rankOf(one) - rankOf(other))
  }
}
