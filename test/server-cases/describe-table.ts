import { describe, onTestFinished, test } from 'vitest'
import { type AdapterName, adapterNames, type BuildServer } from './adapters/adapter.ts'
import { buildExpress4, buildExpress5 } from './adapters/express.ts'
import { buildFastify } from './adapters/fastify.ts'
import { buildFetch } from './adapters/fetch.ts'
import { buildHono } from './adapters/hono.ts'
import { buildNode } from './adapters/node.ts'
import type { Keeping } from './stand.ts'
import { table } from './table.ts'
import { type Case, makeTrial } from './trial.ts'

export const builders: Readonly<Record<AdapterName, BuildServer>> = {
  fetch: buildFetch,
  node: buildNode,
  'express 4': buildExpress4,
  'express 5': buildExpress5,
  fastify: buildFastify,
  hono: buildHono,
  // The server behind it; the gateway stands before it where a stand is guarded.
  gateway: buildNode,
}

export function onFinished(end: () => Promise<unknown>): void {
  onTestFinished(async () => void (await end()))
}

/** Every case, and every control, on every adapter; or those for stores that are only tried. */
export function describeTable(keeping: Keeping, cases: readonly Case[] = table): void {
  describe.each(adapterNames)('%s', adapter => {
    const build = builders[adapter]
    for (const { name, run, control, skip } of cases) {
      const reason = skip?.[adapter]
      if (reason !== undefined) {
        test.skip(`${name} (${reason})`)
        continue
      }
      test(name, () => run(makeTrial(adapter, build, keeping, onFinished)))
      if (typeof control === 'string') continue
      test(`control: ${name}`, () => control(makeTrial(adapter, build, keeping, onFinished)))
    }
  })
}
