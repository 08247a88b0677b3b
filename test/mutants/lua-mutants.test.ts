import { readdirSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import type { KitHarness } from '../../packages/retrysafe/src/store-testkit/index.ts'
import { scripts } from '../../packages/retrysafe/src/stores/redis/embedded-lua.ts'
import { runKit } from '../../packages/retrysafe/test/store-testkit/collecting-runner.ts'
import { ManualServerClock } from '../../packages/retrysafe/test/stores/redis/manual-link.ts'
import { luaCases } from '../fault/redis/lua-cases.ts'
import { LuaStage } from '../fault/redis/lua-stage.ts'
import { startRedis } from '../support/redis/server.ts'

interface LuaMutant {
  readonly name: string
  /** Of the store's commands and their parts. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** The case that finds it. */
  readonly by: string
}

const list: string = new URL('./lua-mutants.mjs', import.meta.url).href
const { luaMutants } = (await import(list)) as { luaMutants: readonly LuaMutant[] }
const commands = new URL('../../packages/retrysafe/src/stores/redis/commands/', import.meta.url)

const server = await startRedis({ settings: { appendonly: 'no' } })
afterAll(() => server.discard())

/** One of a part is in every script that includes it. */
function mutate(script: string, { find, replace }: LuaMutant): string {
  return script.replace(find, () => replace)
}

/** What a case says; `undefined`: nothing is wrong. */
async function verdict(by: string, mutant?: LuaMutant): Promise<string | undefined> {
  const clock = new ManualServerClock()
  const stages: LuaStage[] = []
  const stageOf = new WeakMap<Store, LuaStage>()
  const begin = (): LuaStage => {
    const stage = new LuaStage(server, clock)
    if (mutant !== undefined) stage.change = script => mutate(script, mutant)
    stages.push(stage)
    return stage
  }
  const open = async (stage: LuaStage): Promise<Store> => {
    const store = stage.open()
    stageOf.set(store, stage)
    return store
  }
  const harness: KitHarness = {
    open: () => open(begin()),
    openAgain: store => open(stageOf.get(store) ?? begin()),
    pass: async ms => clock.pass(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
    walks: { count: 8 },
  }
  try {
    const own = luaCases.find(({ name }) => name === by)
    if (own !== undefined) {
      return await own.run(begin()).then(
        () => undefined,
        (error: Error) => error.message,
      )
    }
    const { passed, failed } = await runKit(harness, name => name === by)
    if (passed.length + failed.size !== 1) throw new Error(`${passed.length + failed.size} cases are called ${by}`)
    return failed.get(by)
  } finally {
    await Promise.all(stages.map(stage => stage.close()))
  }
}

test('every command has a mutant', () => {
  const without = readdirSync(commands).filter(file => !luaMutants.some(mutant => mutant.file === `commands/${file}`))
  expect(without).toEqual(['clock_ms.lua', 'counters.lua', 'list_unknown.lua', 'page_unknown.lua'])
})

test('every mutant applies, once, to the scripts that its file is in', () => {
  const stale = luaMutants.filter(({ file, find }) => {
    const name = /^commands\/(\w+)\.lua$/.exec(file)?.[1]
    const script = Object.entries(scripts).find(([at, text]) => at === (name ?? at) && text.includes(find))
    return script?.[1].split(find).length !== 2
  })
  expect(stale.map(({ name }) => name)).toEqual([])
})

test('without a mutant every case that finds one passes', { timeout: 60_000 }, async () => {
  const said: string[] = []
  for (const by of new Set(luaMutants.map(mutant => mutant.by))) {
    const told = await verdict(by)
    if (told !== undefined) said.push(`${by}: ${told}`)
  }
  expect(said).toEqual([])
})

test.each(luaMutants.map(mutant => [mutant.name, mutant.by, mutant] as const))(
  '%s: found by %s',
  async (_, _by, mutant) => {
    const told = await verdict(mutant.by, mutant)
    expect(told, 'it survives').toBeDefined()
    // What the mutant's own text brings about is no finding.
    expect(told).not.toMatch(/user_script|Error compiling|Error running|is out of reach/)
  },
)
