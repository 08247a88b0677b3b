import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Stage } from '../support/stage.ts'
import { type Call, type CallTerms, type Runtime, type SdkHost, startSdkHost } from './sdk-host.ts'

/** How the API of an SDK behaves, where they differ. */
export interface Traits {
  /** Its name in the driver. */
  readonly api: string
  /** What the SDK's own retries do about an attempt that took too long; in `ai` a time-out ends the whole call. */
  readonly afterTimeout: 'retries' | 'raises'
  /** The same about a 409, which is not on the list of `@google/genai`. */
  readonly onConflict: 'retries' | 'raises'
  /** What it makes of a stream that ends cleanly without its terminal event. */
  readonly onTruncated: 'takes it for success' | 'raises'
}

/** An API of an SDK on one runtime, and what stands behind it. */
export interface Subject extends Traits {
  readonly stage: Stage
  host(): SdkHost
}

/**
 * Starts the host of an SDK for the tests of the `describe` that calls it.
 *
 * @param majors what it is to run, by package
 */
export function useSdk(runtime: Runtime, driver: string, majors: Readonly<Record<string, number>>): () => SdkHost {
  let started: SdkHost | undefined
  const host = (): SdkHost => {
    if (started === undefined) throw new Error('the host has not started')
    return started
  }
  beforeAll(async () => {
    started = await startSdkHost(runtime, driver)
  })
  afterAll(() => started?.stop())
  test('is the Node and the SDK that it says', () => {
    const found = Object.entries(host().versions).map(([name, version]) => [name, Number.parseInt(version, 10)])
    // What runs these tests may be newer than what they are written for.
    const node = runtime.node === 20 ? Number.parseInt(process.versions.node, 10) : runtime.node
    expect(Object.fromEntries(found)).toEqual({ node, ...majors })
  })
  return host
}

/** What a test says of a call; the rest is as most are. */
export interface CallWish extends Partial<CallTerms> {
  readonly key?: string
  /** For the sandbox. */
  readonly fault?: string
  /** Straight at the sandbox. */
  readonly direct?: boolean
}

/** One call through the gateway, without retries unless `wish` says otherwise. */
export function startCall(subject: Subject, { key, fault = '', direct = false, ...wish }: CallWish = {}): Call {
  const { gateway, sandbox } = subject.stage
  return subject.host().start({
    api: subject.api,
    how: 'plain',
    url: direct ? sandbox.url : gateway.url,
    text: 'hello',
    retries: 0,
    ...wish,
    headers: { ...(key && { 'Idempotency-Key': key }), 'Sandbox-Fault': fault, ...wish.headers },
  })
}
