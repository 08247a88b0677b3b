import { eventually } from '../../support/eventually.ts'

import { counting, held, passBy, postAll, race, type Trap } from './trap.ts'

/** How a call is claimed, and its result written: 1 to 13. */
export const claimTraps: readonly Trap[] = [
  {
    number: 1,
    name: 'get, then set: duplicates at once run twice',
    async scenario(open) {
      const { handle, runs, go } = held()
      const stand = await open(handle)
      const both = [stand.post(), stand.post()]
      await eventually(runs).toBeGreaterThan(0)
      await passBy(stand)
      go()
      await Promise.all(both)
      return runs()
    },
    ours: 1,
    naive: 2,
  },
  {
    number: 2,
    name: 'one TTL for lease and record: what died is waited for as long as a result is kept',
    variant: { marker: 'refuses' },
    async scenario(open) {
      let runs = 0
      const stand = await open(async (_request, response) => {
        runs += 1
        if (runs === 1) throw new Error('died')
        response.end('done')
      })
      await stand.post().catch(() => {})
      return postAll(stand, {})
    },
    ours: ['200 done'],
    naive: ['409 refused'],
  },
  {
    number: 6,
    name: 'epoch ms compared with 0 to 999: every record has expired',
    variant: { clock: 'milliseconds of the second' },
    async scenario(open) {
      return postAll(await open(counting().handle), {}, {})
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['200 run 1', '200 run 2'],
  },
  {
    number: 7,
    name: 'the key is read again at completion, from what the handler has changed',
    variant: { keyAt: 'completion' },
    async scenario(open) {
      let runs = 0
      const stand = await open(async (request, response) => {
        request.headers['idempotency-key'] = 'changed'
        response.end(`run ${++runs}`)
      })
      return postAll(stand, {}, {})
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['200 run 1', '200 run 2'],
  },
  {
    number: 8,
    name: 'its own 422 is recorded as the result',
    variant: { fingerprint: 'bytes', records: 'its own refusals' },
    async scenario(open) {
      return postAll(await open(counting().handle), {}, { body: '{"a":2}' }, {})
    },
    ours: ['200 run 1', '422 KEY_REUSED', '200 run 1'],
    naive: ['200 run 1', '422 refused', '422 refused'],
  },
  {
    number: 9,
    name: 'the result is written only while its client is there',
    async scenario(open) {
      const { handle, runs, go } = held()
      const stand = await open(handle)
      const leave = new AbortController()
      const left = stand.post({ signal: leave.signal }).catch(() => {})
      await eventually(runs).toBe(1)
      leave.abort()
      await left
      await eventually(() => stand.closedConnections()).toBe(1)
      go()
      return postAll(stand, {})
    },
    ours: ['200 run 1'],
    naive: ['200 run 2'],
  },
  {
    number: 10,
    name: 'the result cannot be written: it is lost, and the key is free',
    variant: { failingWrites: 1 },
    losesResult: true,
    async scenario(open) {
      return postAll(await open(counting().handle), {}, {})
    },
    ours: ['200 run 1', '200 run 1'],
    naive: ['500 failed', '200 run 2'],
  },
  {
    number: 11,
    name: 'who never had the record deletes it',
    variant: { marker: 'deletes when refused' },
    scenario: open => race(open),
    ours: ['200 run 1', '409 IN_FLIGHT', '409 IN_FLIGHT'],
    naive: ['200 run 1', '409 refused', '200 run 2'],
  },
  {
    number: 12,
    name: 'INSERT OR IGNORE meets an expired row: 409 for ever',
    variant: { insert: 'or ignore', ttlMs: 0 },
    options: { retentionMs: 1_000 },
    async scenario(open) {
      const stand = await open(counting().handle)
      const last = async (): Promise<string | undefined> => (await postAll(stand, {}))[0]
      const first = await last()
      await eventually(last).not.toBe(first)
      return [first, await last()]
    },
    ours: ['200 run 1', '200 run 2'],
    naive: ['200 run 1', '409 refused'],
  },
  {
    number: 13,
    name: 'who loses the race runs all the same',
    variant: { marker: 'runs anyway' },
    async scenario(open) {
      const { handle, runs, go } = held()
      const stand = await open(handle)
      const first = stand.post()
      await eventually(runs).toBe(1)
      const second = stand.post({ headers: { 'Retrysafe-Wait': '0' } }).then(({ status }) => status)
      await Promise.race([second, eventually(runs).toBe(2)])
      go()
      return [(await first).status, await second, runs()]
    },
    ours: [200, 409, 1],
    naive: [200, 200, 2],
  },
]
