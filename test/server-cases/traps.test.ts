import { expect, onTestFinished, test } from 'vitest'
import { idempotency } from '../../packages/retrysafe/src/adapters/node/index.ts'
import { createRetrysafe } from '../../packages/retrysafe/src/retrysafe.ts'
import { memoryStore } from '../../packages/retrysafe/src/stores/memory/index.ts'
import { brokenStores } from '../../packages/retrysafe/test/store-testkit/broken-stores.ts'
import { memoryHarness, runKit } from '../../packages/retrysafe/test/store-testkit/collecting-runner.ts'
import { faultyStore } from '../../packages/retrysafe/test/support/faulty-store.ts'
import { read } from '../house/source-files.ts'
import { optionsFor } from './adapters/adapter.ts'
import { guarded, type Handle, readHeader } from './adapters/node.ts'
import { naive } from './naive.ts'
import { listen, type Stand, standAt } from './stand.ts'
import type { Trap } from './traps/trap.ts'
import { shownElsewhere, traps } from './traps.ts'

type Listener = ReturnType<typeof guarded>

/** `/ping` is answered beside the guard. */
async function openBehind(listener: Listener): Promise<Stand> {
  const { url, closed, close } = await listen((request, response) => {
    if (request.url === '/ping') request.resume().once('end', () => response.end('pong'))
    else listener(request, response)
  })
  onTestFinished(close)
  return standAt(url, 'a-key', [], closed)
}

function ours({ options = {}, losesResult }: Trap): (handle: Handle, name?: string) => Promise<Stand> {
  const store = faultyStore(memoryStore())
  if (losesResult) store.next('complete', { kind: 'reject' })
  const safe = createRetrysafe({ store: store.store })
  onTestFinished(() => safe.close({ drainMs: 0 }))
  return (handle, name = 'http') => {
    const setting = { safe, options, begin: () => Promise.reject(), parsedBefore: false, outerHeader: undefined }
    return openBehind(idempotency({ ...optionsFor(setting, readHeader), name }, handle))
  }
}

test.each(traps.map(trap => [trap.number, trap.name, trap] as const))('%i. %s: not with us', async (_, __, trap) => {
  expect(await trap.scenario(ours(trap))).toEqual(trap.ours)
})

test.each(traps.map(trap => [trap.number, trap.name, trap] as const))(
  '%i. %s: on the naive one',
  async (_, __, trap) => {
    const open = (handle: Handle, prefix?: string): Promise<Stand> =>
      openBehind(guarded(naive(handle, { ...trap.variant, ...(prefix !== undefined && { prefix }) })))
    expect(await trap.scenario(open)).toEqual(trap.naive)
  },
)

test('all 25 are shown, here or where they live', () => {
  const numbers = new Set([...traps, ...shownElsewhere].map(({ number }) => number))
  expect([...numbers].sort((one, other) => one - other)).toEqual(Array.from({ length: 25 }, (_, at) => at + 1))
  for (const { file, name } of shownElsewhere) expect([file, read(file).includes(name)]).toEqual([file, true])
})

test.each(shownElsewhere.filter(({ brokenStore }) => brokenStore !== undefined))(
  '$number. a store that falls into it fails its test: $brokenStore',
  async ({ name, brokenStore }) => {
    const broken = brokenStores.find(({ fault }) => fault === brokenStore)
    const { failed } = await runKit(memoryHarness(broken?.break), wanted => wanted === name)
    expect([...failed.keys()]).toEqual([name])
  },
)
