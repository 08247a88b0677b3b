import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { type Machine, readMachine } from '../../../src/engine/machine.ts'
import type { Store } from '../../../src/engine/store.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { testStore } from '../../../src/store-testkit/index.ts'
import { openLmdbStore } from '../../../src/stores/lmdb/store.ts'
import { ManualTime } from '../../support/manual-time.ts'

const root = mkdtempSync(join(tmpdir(), 'retrysafe-kit-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const time = new ManualTime()
const surroundings = { ...processSurroundings, clock: time.clock }
const machine = readMachine()
const paths = new Map<Store, string>()
let opened = 0

/** The same machine, seen by a process that nobody has ended. */
function processNumber(number: number): Machine {
  return {
    ...machine,
    processName: `${machine.processName}${number}`,
    isGone: () => false,
    stoppedPid: () => undefined,
  }
}

function open(path: string, number: number): Store {
  const store = openLmdbStore(path, surroundings, processNumber(number))
  paths.set(store, path)
  return store
}

testStore(
  { describe, it, skip: (name, reason) => it.skip(`${name} (${reason})`, () => {}) },
  {
    open: async () => open(join(root, String(opened++)), 1),
    openAgain: async store => open(paths.get(store) ?? '', 2),
    pass: async ms => time.jump(ms),
    maxPassMs: Number.POSITIVE_INFINITY,
    jumpWall: ms => time.jumpWall(ms),
    // Each walk opens a folder of its own.
    walks: { count: 40 },
  },
)
