import { readCallKey } from './call-key.ts'
import { type CallTerms, type Client, runCall } from './call-run.ts'
import { isDownstream } from './downstream.ts'
import type { FetchCounts } from './events.ts'
import { untilAborted } from './exchange.ts'
import { KnownHosts } from './known-hosts.ts'
import { keepCalls } from './local-store.ts'
import { type Fetch, type FetchOptions, readFetchRules } from './options.ts'
import { type Input, readOutgoing, signalOf } from './outgoing.ts'
import { warn } from './warning.ts'

/** A `fetch` that retries without paying twice. */
export type RetryingFetch = Fetch & {
  /** What it has done so far. */
  counts(): FetchCounts
}

/**
 * Makes a drop-in `fetch`: one key through all attempts of a call, retries with full jitter or as the server asks, and
 * streams that go on where their connection broke. For any SDK that takes a `fetch` (turn its own retries off), and for
 * plain code.
 *
 * A call rejects as `fetch` does once its attempts are over, and with a `RetrysafeError` for what is wrong before
 * anything is sent: `REQUEST_INVALID`, `BODY_TOO_LARGE`, `KEY_INVALID`, `CALLBACK_FAILED`; with `UPSTREAM_TIMEOUT` when a
 * time is over. A stream fails with `STREAM_SUPERSEDED` or `STREAM_UNKNOWN` where its rest is not to be had.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option
 * @example
 * const fetch = createFetch({ retries: 4, onAttempt: ({ attempt, outcome }) => console.log(attempt, outcome.kind) })
 * const answer = await fetch('http://127.0.0.1:8787/openai/v1/models')
 */
export function createFetch(options: FetchOptions = {}): RetryingFetch {
  const rules = readFetchRules(options)
  const counts = { calls: 0, attempts: 0, ambiguous: 0, resumes: 0 }
  const client: Client = { rules, hosts: new KnownHosts(rules), counts }
  const keep = rules.local === undefined ? undefined : keepCalls(client, rules.local)
  let hasWarned = false

  function warnOfLayers(headers: Headers): void {
    if (hasWarned || !(Number(headers.get('x-stainless-retry-count')) >= 1)) return
    hasWarned = true
    warn(
      rules,
      'the SDK above createFetch() retries too, each time with a new key: give it maxRetries: 0 (sdkOptions does)',
    )
  }

  async function prepare(input: Input, init: RequestInit, signal: AbortSignal | undefined): Promise<CallTerms> {
    const outgoing = await readOutgoing(rules, input, init, signal, isDownstream())
    warnOfLayers(outgoing.headers)
    const key = await readCallKey(rules, outgoing)
    if (key !== undefined) outgoing.headers.set(rules.keyHeader, key.line)
    return { client, outgoing, key, signal }
  }

  const fetch: Fetch = async (input, given) => {
    counts.calls += 1
    const init = given ?? {}
    const signal = signalOf(input, init)
    const preparing = prepare(input, init, signal)
    const call = await (signal === undefined ? preparing : untilAborted(preparing, signal, () => {}))
    const { key } = call
    if (keep === undefined || key?.isNamed !== true || !rules.methods.has(call.outgoing.method)) return runCall(call)
    return keep({ ...call, key })
  }
  return Object.assign(fetch, { counts: () => ({ ...counts }) })
}
