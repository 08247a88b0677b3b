import type { Grace } from 'retrysafe/internal/engine/policy'
import type { DisconnectPolicy } from '../config/config.ts'

/** What a client has left. `paired`: a call without a key under `sdk-retries`, whose retry may still come. */
export type LeftCall = { kind: 'keyed' } | { kind: 'paired'; isHeadOut: boolean } | { kind: 'keyless' }

/** Longer than the SDKs' own pauses between retries. */
const pairedGraceMs = 120_000

/** How long a call goes on that its client has left, in ms (0: it is stopped at once), or whether it is finished. */
export function graceOf(policy: DisconnectPolicy, call: LeftCall): Grace {
  if (policy !== 'auto') return policy
  switch (call.kind) {
    case 'keyed':
      return 'finish'
    case 'paired':
      // A retry that has read a part of its answer is none: SDKs retry only what has not begun.
      return call.isHeadOut ? 0 : pairedGraceMs
    case 'keyless':
      return 0
  }
}
