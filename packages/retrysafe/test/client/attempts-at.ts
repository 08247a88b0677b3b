import { expect } from 'vitest'
import { createFetch } from '../../src/client/fetch.ts'
import type { Fetch, FetchOptions } from '../../src/client/options.ts'
import { type Asked, type Host, reply } from './host.ts'

/** Makes a call at this host in three attempts, of which the third is answered; what they looked like there. */
export function attemptsAt(host: Host) {
  return async (make: (fetch: Fetch) => Promise<Response>, options: FetchOptions = {}): Promise<Asked[]> => {
    host.script(reply('', {}, 503), reply('', {}, 503), reply('whole'))
    const before = host.asked.length
    const answer = await make(createFetch({ baseDelayMs: 0, ...options }))
    expect(await answer.text()).toBe('whole')
    const made = host.asked.slice(before)
    expect(made.length).toBe(3)
    return made
  }
}

/** What all attempts had in common, of this. */
export function same(made: readonly Asked[], of: (asked: Asked) => string | undefined): string | undefined {
  expect(new Set(made.map(of)).size).toBe(1)
  return made[0] && of(made[0])
}
