import type { Attempt } from 'retrysafe/internal/engine/attempt'
import type { Run } from 'retrysafe/internal/server/run'
import { serveKeyed } from '../keyed.ts'
import type { ProxyParts } from '../parts.ts'
import type { AttendedCall } from './attended-call.ts'
import { nobody } from './nobody.ts'
import type { PairableCall } from './pairable-call.ts'

/**
 * Goes on with an attempt whose client has left before its answer was written: it is claimed under a key drawn for it,
 * recorded from here on, and offered to its retry. Until the claim is made the upstream waits. Where the store does not
 * take it, or too many go on already, the call ends as it would without us.
 */
export async function goOnWith(parts: ProxyParts, call: PairableCall, attended: AttendedCall): Promise<void> {
  const { pairing, storeWatch, exchanges } = parts
  if (storeWatch.outage.isCertain) return attended.giveUp()
  // Whoever shuts down waits for it, also before it has its lease, and until it is offered.
  const done = exchanges.beginWork()
  let offering: Promise<void> | undefined
  const dispatch = (run: Run, attempt: Attempt): void => {
    if (!attended.handOver(run)) return attended.settled()
    offering = call
      .offer({ storeKey: attempt.key, fence: attempt.token.fence })
      // What no retry can find need not be paid for to its end.
      .catch(() => attempt.desert())
      .then(() => attended.settled())
  }
  const left = { kind: 'paired', isHeadOut: false } as const
  try {
    const drawn = Buffer.from(pairing.surroundings.random.bytes(16)).toString('base64url')
    const keyed = await call.keyed(`sdk-${drawn}`)
    // There is but this one answer to hand over; and whether to run again what failed is up to the retry that waits.
    const rules = { ...keyed.rules, upstreamRetries: 0 }
    await serveKeyed(parts, { ...keyed, rules, caller: nobody, gone: new AbortController().signal, dispatch, left })
  } catch {
    // The form of its payload is not to be had: too many are being made.
  } finally {
    attended.giveUp()
    await offering
    done()
  }
}
