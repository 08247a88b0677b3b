import type { RetrysafeError } from './errors.ts'
import type { Follower, FollowStep } from './follower.ts'
import { refusal } from './function-call.ts'
import type { Settled } from './function-run.ts'
import type { ItemsHead, ValueHead } from './outcome.ts'
import type { Replay } from './replay.ts'
import { decodeValue } from './value-codec.ts'

type OutcomeFollower = Follower<ValueHead | ItemsHead>

/** An outcome, or a run that is still going: a value is waited for, items come as they come. */
export async function readOutcome(name: string, follower: OutcomeFollower): Promise<Settled> {
  const { head } = follower
  if (head.kind === 'yielded items') {
    return { kind: 'items', follower: { ...follower, head }, whyBroken: () => removed(name) }
  }
  const parts: Uint8Array[] = []
  try {
    for (;;) {
      const step = await follower.next()
      if (step.kind === 'end') return { kind: 'value', value: decodeValue(Buffer.concat(parts)) }
      if (step.kind === 'broken') throw removed(name)
      parts.push(step.bytes)
    }
  } finally {
    follower.close()
  }
}

/** A replay is read as a run that is over. */
export function followerOf({ head, lengthBytes, body }: Replay<ValueHead | ItemsHead>): OutcomeFollower {
  if (body.kind === 'pieces') return body.follower
  const steps: FollowStep[] = [{ kind: 'bytes', bytes: body.bytes }]
  return { head, lengthBytes, next: async () => steps.shift() ?? { kind: 'end' }, close: () => {} }
}

/** For who followed a run that came to nothing. */
export function removed(name: string): RetrysafeError {
  return refusal(name, 'IN_FLIGHT', 'the run that this call followed ended without an outcome; call again')
}
