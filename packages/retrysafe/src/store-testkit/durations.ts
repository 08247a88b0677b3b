import { graceMs } from '../engine/store.ts'

/** All durations of the cases, in ms. A case names how much it lets pass; those beyond a harness's means are skipped. */

/** Of claims in cases that are not about time: no store is so slow that it lapses meanwhile. */
export const longLeaseMs = 60_000
export const longRetentionMs = 86_400_000

/** Of claims that shall lapse. */
export const shortLeaseMs = 500
/** Until such a claim may be taken over. */
export const lapseMs: number = shortLeaseMs + graceMs

/** Of records that shall expire. */
export const shortRetentionMs = 2_000
/** Until an expired record may be looked for by `sweep`: an index may lag behind by a lease. */
export const sweepableMs: number = lapseMs + shortRetentionMs

/** Of releases whose cooldown shall end. */
export const shortCooldownMs = 1_500

/** How long a real clock may run by itself between two steps of a case without making it fail. */
export const realSlackMs = 1_000
