import type { Store } from '../../src/engine/store.ts'
import type { KitHarness, KitRunner } from '../../src/store-testkit/index.ts'
import { testStore } from '../../src/store-testkit/index.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { ManualTime } from '../support/manual-time.ts'

export interface KitReport {
  readonly passed: readonly string[]
  /** What each failing case said. */
  readonly failed: ReadonlyMap<string, string>
  readonly skipped: ReadonlyMap<string, string>
}

/** Runs the kit, or those of its cases that `wanted` names, one after the other, and tells what came of each. */
export async function runKit(harness: KitHarness, wanted: (name: string) => boolean = () => true): Promise<KitReport> {
  const cases: { name: string; body: () => Promise<void> }[] = []
  const skipped = new Map<string, string>()
  const runner: KitRunner = {
    describe: (_, body) => body(),
    it: (name, body) => void cases.push({ name, body }),
    skip: (name, reason) => void skipped.set(name, reason),
  }
  testStore(runner, harness)
  const passed: string[] = []
  const failed = new Map<string, string>()
  for (const { name, body } of cases) {
    if (!wanted(name)) continue
    await body().then(
      () => passed.push(name),
      (error: unknown) => failed.set(name, error instanceof Error ? error.message : String(error)),
    )
  }
  return { passed, failed, skipped }
}

/** A memory store on a clock moved by hand, changed by `alter`, with a harness around it. */
export function memoryHarness(alter: (store: Store, time: ManualTime) => Store = store => store): KitHarness {
  let time = new ManualTime()
  return {
    async open() {
      time = new ManualTime()
      return alter(memoryStore({ clock: time.clock }), time)
    },
    pass: async ms => time.jump(ms),
    jumpWall: ms => time.jumpWall(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
    walks: { count: 30, steps: 60 },
  }
}
