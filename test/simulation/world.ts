import type { Code } from './code.ts'
import type { Coverage } from './coverage.ts'
import type { Plan } from './plan.ts'
import type { Trace } from './trace.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Everything a simulated world shares. */
export interface World {
  readonly plan: Plan
  readonly code: Code
  readonly time: VirtualTime
  readonly trace: Trace
  readonly coverage: Coverage
}
