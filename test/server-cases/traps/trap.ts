import { expect } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import type { Answer } from '../../support/exchange.ts'
import type { Options } from '../adapters/adapter.ts'
import type { Handle } from '../adapters/node.ts'
import type { NaiveVariant } from '../naive.ts'
import { gate } from '../script.ts'
import type { Stand } from '../stand.ts'

/** Puts a listener of node:http behind a guard: ours, or the naive one. */
export type Open = (handle: Handle, prefix?: string) => Promise<Stand>

/** One of the 25 traps of the field: the same requests, and what becomes of them behind either guard. */
export interface Trap {
  readonly number: number
  readonly name: string
  /** Of the naive middleware, where the trap needs one. */
  readonly variant?: NaiveVariant
  /** Of ours. */
  readonly options?: Options
  /** The next write of a result fails. */
  readonly losesResult?: true
  scenario(open: Open): Promise<unknown>
  readonly ours: unknown
  readonly naive: unknown
}

/** Says which run it is. */
export function counting(status = 200): { handle: Handle; runs(): number } {
  let runs = 0
  return {
    handle: async (_request, response) => void response.writeHead(status).end(`run ${++runs}`),
    runs: () => runs,
  }
}

export const shown = ({ status, text }: Answer): string =>
  `${status} ${text.startsWith('{') ? JSON.parse(text).code : text}`

export async function postAll(stand: Stand, ...asks: Parameters<Stand['post']>[0][]): Promise<string[]> {
  const answers: string[] = []
  for (const ask of asks) answers.push(shown(await stand.post(ask)))
  return answers
}

/** Runs until it is let go, and says which run it is. */
export function held(): { handle: Handle; runs(): number; go(): void } {
  const door = gate()
  let runs = 0
  return {
    async handle(_request, response) {
      const run = ++runs
      await door.opened
      response.end(`run ${run}`)
    },
    runs: () => runs,
    go: () => door.open(),
  }
}

/** A second request while the first one runs, and a third after both. */
export async function race(open: Open, second: Parameters<Stand['post']>[0] = {}): Promise<string[]> {
  const { handle, runs, go } = held()
  const stand = await open(handle)
  const first = stand.post()
  await eventually(runs).toBe(1)
  const refused = shown(await stand.post({ headers: { 'Retrysafe-Wait': '0' }, ...second }))
  const third = stand.post({ headers: { 'Retrysafe-Wait': '0' } }).then(shown)
  await Promise.race([third, eventually(runs).toBe(2)])
  go()
  return [shown(await first), refused, await third]
}

/** Nothing tells that a request has come and waits: three more are asked and answered meanwhile. */
export async function passBy(stand: Stand): Promise<void> {
  for (let count = 0; count < 3; count += 1) expect((await stand.post({ path: '/ping' })).text).toBe('pong')
}
