/** A documented behaviour of somebody else, and ours beside it. */
export interface Comparison {
  readonly whose: 'Powertools' | 'node-idempotency' | 'express-idempotency' | 'Stripe'
  readonly behaviour: string
  readonly ours: 'same' | 'different'
  /** What we do, or why we differ. */
  readonly why: string
  /** The name of the case that shows it: of the table, or of a trap. */
  readonly case: string
}

const joins =
  'a duplicate joins the running call: SDKs give a 409 up after a second or two, a generation takes a minute'
const asked = '24 h by default, `retentionMs`; counted from completion, not from the start'
const firstRun = 'the first call runs, the second gets the same bytes'
const joined = 'duplicates at once are one run, and all have its answer'
const retention = 'after its retention a key is free'

export const comparisons: readonly Comparison[] = [
  {
    whose: 'Powertools',
    behaviour: 'a duplicate of a running call throws IdempotencyAlreadyInProgressError',
    ours: 'different',
    why: joins,
    case: joined,
  },
  {
    whose: 'Powertools',
    behaviour: 'a handler that throws deletes the record, so that a retry runs',
    ours: 'same',
    why: 'so does an answer outside of `recordStatus`',
    case: 'a handler that throws frees the key',
  },
  {
    whose: 'Powertools',
    behaviour: 'without a key it goes on unprotected, with throwOnNoIdempotencyKey it throws',
    ours: 'same',
    why: '`keyless`: pass or require',
    case: 'without a key a request passes',
  },
  {
    whose: 'Powertools',
    behaviour: 'payload validation: the same key with another payload throws',
    ours: 'same',
    why: '422, always on; `leaveOut` names what does not count',
    case: 'the same key with another payload is a 422',
  },
  {
    whose: 'Powertools',
    behaviour: 'records expire after an hour, expiresAfterSeconds',
    ours: 'different',
    why: asked,
    case: retention,
  },
  {
    whose: 'Powertools',
    behaviour: 'the end of a running record is compared with the milliseconds of the current second',
    ours: 'different',
    why: 'leases are durations, and end on the clock of the store',
    case: 'epoch ms compared with 0 to 999: every record has expired',
  },
  {
    whose: 'Powertools',
    behaviour: 'a responseHook may change what is replayed',
    ours: 'different',
    why: 'a replay is byte for byte; headers say what it is',
    case: firstRun,
  },
  {
    whose: 'Powertools',
    behaviour: 'results go through JSON',
    ours: 'different',
    why: 'bytes stay bytes',
    case: 'binary stays binary',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'the same key with another body is a 422',
    ours: 'same',
    why: 'of JSON its value counts, not how it is spelled',
    case: 'the same key with another payload is a 422',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'a running duplicate is a 409, whatever its body; or polls every 100 ms',
    ours: 'different',
    why: 'another payload is a 422 at once; the same one joins, without polling in step',
    case: 'another payload is a 422 at once, also while the first one runs',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'method and path are part of the key',
    ours: 'different',
    why: 'the IETF draft: a key must not be reused with another payload; 422 tells the mistake',
    case: 'the same key with another payload is a 422',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'GET with a key is replayed',
    ours: 'different',
    why: 'GET is safe to retry as it is; `methods` can name it',
    case: 'GET is untouched, key or not; PATCH counts',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'enforceIdempotency refuses what has no key',
    ours: 'same',
    why: '`keyless: require`, 400',
    case: 'keyless require: 400 without a key, and no run',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'one TTL of 24 h for the running mark and for the result',
    ours: 'different',
    why: 'a lease of 30 s, renewed, and a retention of its own: a crash does not hold a key for a day',
    case: 'one TTL for lease and record: what died is waited for as long as a result is kept',
  },
  {
    whose: 'node-idempotency',
    behaviour: 'a replay says so in a header',
    ours: 'same',
    why: '`Idempotent-Replayed: true`, as Stripe says it',
    case: firstRun,
  },
  {
    whose: 'express-idempotency',
    behaviour: 'only successful answers are kept',
    ours: 'same',
    why: '2xx, `recordStatus`',
    case: 'a 500 is shown, not recorded, and the retry runs',
  },
  {
    whose: 'express-idempotency',
    behaviour: 'the handler runs on a hit too, and asks isHit() itself',
    ours: 'different',
    why: 'a handler that forgot to ask would run twice',
    case: firstRun,
  },
  {
    whose: 'express-idempotency',
    behaviour: 'a record is looked up, then created; a running one is a 409',
    ours: 'different',
    why: 'one atomic claim; duplicates join',
    case: 'get, then set: duplicates at once run twice',
  },
  {
    whose: 'express-idempotency',
    behaviour: 'another URL under the same key is a 417; the body does not count',
    ours: 'different',
    why: '422 as in the IETF draft, and the body counts',
    case: 'another model is no other payload: a stale answer',
  },
  {
    whose: 'express-idempotency',
    behaviour: 'what goes through res.send is kept, with its Content-Type',
    ours: 'different',
    why: 'whatever is written is kept, pipes and streams too, with every header that is safe to repeat',
    case: 'a stream is shown as it comes, and replayed byte for byte',
  },
  {
    whose: 'express-idempotency',
    behaviour: 'keys are everybody’s',
    ours: 'different',
    why: 'a key belongs to its tenant; `tenant` has no default',
    case: 'a stranger who knows the key gets the answer',
  },
  {
    whose: 'Stripe',
    behaviour: 'keys have up to 255 characters',
    ours: 'same',
    why: '400 for a longer one',
    case: 'malformed, too long, or sent twice: 400, and no run',
  },
  {
    whose: 'Stripe',
    behaviour: 'status and body of the first request are kept, whether it succeeded or failed, 500 included',
    ours: 'different',
    why: 'a retry wants a success; who needs it otherwise sets `recordStatus`',
    case: 'a 500 is shown, not recorded, and the retry runs',
  },
  {
    whose: 'Stripe',
    behaviour: 'what fails validation is not kept, and may be sent again',
    ours: 'same',
    why: 'no 4xx is kept, and its payload binds nobody',
    case: 'a 400 is shown at once, not recorded, and may run again',
  },
  {
    whose: 'Stripe',
    behaviour: 'other parameters under the same key are an error',
    ours: 'same',
    why: '422, the status of the IETF draft',
    case: 'the same key with another payload is a 422',
  },
  {
    whose: 'Stripe',
    behaviour: 'a request that conflicts with a running one is refused, and may be retried',
    ours: 'different',
    why: `${joins}; \`Retrysafe-Wait: 0\` asks for the 409`,
    case: 'Retrysafe-Wait: 0 refuses a running duplicate with a 409 that SDKs retry',
  },
  {
    whose: 'Stripe',
    behaviour: 'keys are pruned when they are at least 24 h old, and then run anew',
    ours: 'same',
    why: `${asked}; \`expiryAware\` refuses instead`,
    case: retention,
  },
  {
    whose: 'Stripe',
    behaviour: 'keys have no effect on GET and DELETE',
    ours: 'same',
    why: 'POST and PATCH, `methods`',
    case: 'GET is untouched, key or not; PATCH counts',
  },
]

/** The table of docs/server-comparison.md. */
export function describeComparisons(): string {
  const rows = comparisons.map(
    ({ whose, behaviour, ours, why, case: shownBy }) => `| ${whose} | ${behaviour} | ${ours} | ${why} | ${shownBy} |`,
  )
  return ['| whose | what they do | ours | how, or why | case |', '|---|---|---|---|---|', ...rows].join('\n')
}
