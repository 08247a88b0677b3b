import { headerNames } from '../protocol/headers.ts'
import type { FetchRules } from './options.ts'

const mostPlaces = 10_000

/**
 * Which hosts honour keys: those that the developer names, and, path by path, those whose answers say so. One path may
 * lead to a gateway or to our middleware, and the next one to neither.
 */
export class KnownHosts {
  readonly #rules: FetchRules
  readonly #learned = new Set<string>()
  /** Those that say they do not protect calls now, whatever was said of them. */
  readonly #bypassing = new Set<string>()

  constructor(rules: FetchRules) {
    this.#rules = rules
  }

  honours(url: URL): boolean {
    const { honoursKeys, honouringOrigins } = this.#rules
    const place = placeOf(url)
    if (this.#bypassing.has(place)) return false
    return honoursKeys || honouringOrigins.includes(url.origin) || this.#learned.has(place)
  }

  /** An answer to a request with a key. */
  learn(url: URL, response: Response): void {
    if (isFromElsewhere(response, url)) return
    const place = placeOf(url)
    const outcome = response.headers.get(headerNames.outcome)
    if (outcome === null && response.headers.get(headerNames.replayed) !== 'true') return
    // A gateway that lets a call through as if it were not there does not protect it.
    const [is, isNot] = outcome === 'bypassed' ? [this.#bypassing, this.#learned] : [this.#learned, this.#bypassing]
    isNot.delete(place)
    if (is.size < mostPlaces) is.add(place)
  }
}

function placeOf({ origin, pathname }: URL): string {
  return origin + pathname
}

/** Whether a redirect led to another origin: what that says, it says of itself. */
export function isFromElsewhere({ redirected, url }: Response, { origin }: URL): boolean {
  return redirected && (!URL.canParse(url) || new URL(url).origin !== origin)
}
