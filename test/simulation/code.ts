import type { Surroundings } from '../../packages/retrysafe/src/engine/clock.ts'
import { cooldownMs } from '../../packages/retrysafe/src/engine/cooldown.ts'
import { type Engine, type EngineOptions, openEngine } from '../../packages/retrysafe/src/engine/engine.ts'
import { RetrysafeError } from '../../packages/retrysafe/src/engine/errors.ts'
import { followRecording } from '../../packages/retrysafe/src/engine/follower.ts'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { type MemoryStoreOptions, memoryStore } from '../../packages/retrysafe/src/stores/memory/store.ts'

/** The code that is simulated: the checkout's own, or a mutant of it. */
export interface Code {
  openEngine(options: EngineOptions & { surroundings: Surroundings }): Promise<Engine>
  followRecording: typeof followRecording
  cooldownMs: typeof cooldownMs
  RetrysafeError: typeof RetrysafeError
  memoryStore(options: MemoryStoreOptions): Store
}

export const ownCode: Code = { openEngine, followRecording, cooldownMs, RetrysafeError, memoryStore }
