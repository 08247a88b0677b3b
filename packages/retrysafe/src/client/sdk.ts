import { createFetch, type RetryingFetch } from './fetch.ts'
import type { FetchOptions } from './options.ts'

/** Options of an SDK: our `fetch`, and none of its own retries. */
export interface SdkOptions {
  readonly fetch: RetryingFetch
  readonly maxRetries: 0
}

/**
 * What OpenAI's and Anthropic's SDKs take to be safe to retry. Their own `timeout` (10 min) is then the time of all
 * attempts together.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming the option
 * @example
 * const options = { apiKey: 'sk-…', baseURL: 'http://127.0.0.1:8787/openai/v1', ...sdkOptions({ retries: 4 }) }
 * // new OpenAI(options), new Anthropic(options)
 */
export function sdkOptions(options: FetchOptions = {}): SdkOptions {
  return { fetch: createFetch(options), maxRetries: 0 }
}
