import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../packages/retrysafe/src/engine/clock.ts'
import { type Machine, readMachine } from '../../packages/retrysafe/src/engine/machine.ts'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { processSurroundings } from '../../packages/retrysafe/src/engine/surroundings.ts'
import { openLmdbStore } from '../../packages/retrysafe/src/stores/lmdb/store.ts'
import { memoryStore } from '../../packages/retrysafe/src/stores/memory/store.ts'
import type { StoreTime } from '../../packages/retrysafe/src/stores/row/row.ts'
import type { RecordedFor } from './recorded-steps.ts'
import type { ReplayTarget } from './replay.ts'

/** Stores of one kind to replay to. */
export interface ReplayStage {
  readonly name: string
  readonly clocks: Exclude<RecordedFor, { kind: 'crowd' }>
  /** Opens a store that holds nothing; the one before is closed. */
  open(): Promise<ReplayTarget>
  close(): Promise<void>
}

/** A clock that stands where it was set last. */
class SetClock {
  #time: StoreTime = { wallMs: 0, leaseMs: 0 }
  readonly clock: Clock = { wallMs: () => this.#time.wallMs, monotonicMs: () => this.#time.leaseMs }

  set(time: StoreTime): void {
    this.#time = time
  }
}

/** @param open default: the checkout's own memory store; a test gives a broken one */
export function memoryStage(open: (options: { clock: Clock }) => Store = memoryStore): ReplayStage {
  return {
    name: 'memory',
    clocks: { kind: 'two clocks' },
    async open() {
      const time = new SetClock()
      const store = open({ clock: time.clock })
      return { stores: [store], setTime: now => time.set(now), leeway: { followed: 'exact', sweep: 'exact' } }
    },
    close: async () => {},
  }
}

/** @param handles how many processes have the store open */
export function lmdbStage(handles: 1 | 2): ReplayStage {
  const root = mkdtempSync(join(tmpdir(), 'retrysafe-replay-'))
  const time = new SetClock()
  const machine = readMachine()
  let opened: Store[] = []
  let count = 0
  const closeAll = async (): Promise<void> => {
    for (const store of opened) await store.close()
    opened = []
  }
  return {
    name: 'lmdb',
    clocks: { kind: 'two clocks' },
    async open() {
      await closeAll()
      const path = join(root, String(count++))
      const surroundings = { ...processSurroundings, clock: time.clock }
      const openHandle = (number: number): Store => {
        const store = openLmdbStore(path, surroundings, processNumber(machine, number))
        opened.push(store)
        return store
      }
      const first = openHandle(1)
      const stores: ReplayTarget['stores'] = handles === 2 ? [first, openHandle(2)] : [first]
      const followed = handles === 2 ? 'open' : 'exact'
      return { stores, setTime: now => time.set(now), leeway: { followed, sweep: 'open' } }
    },
    async close() {
      await closeAll()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** The same machine, seen by a process that nobody has ended. */
function processNumber(machine: Machine, number: number): Machine {
  const processName = `${machine.processName}${number}`
  return { ...machine, processName, isGone: () => false, stoppedPid: () => undefined }
}
