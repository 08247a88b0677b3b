import assert from 'node:assert/strict'
import type { RecordState, RecordView } from '../../engine/record.ts'
import type { RecordPage } from '../../engine/store.ts'
import { assertAnswer } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, shortLeaseMs, shortRetentionMs } from '../durations.ts'
import { piece, type Trial } from '../trial.ts'

const names = Array.from({ length: 10 }, (_, at) => `k${at}`)

/** Of ten records 4 are completed, 3 unknown and 3 run. */
async function fill(t: Trial): Promise<void> {
  for (const [at, key] of names.entries()) {
    const token = await t.token({ key, onCrash: 'fail' })
    if (at % 3 === 0) await t.store.complete(t.key(key), token, piece(0, 'x'))
    if (at % 3 === 1) await t.release(token, 'broken', 0, key)
  }
}

/** Every record of a whole walk; no page is over its limit, and the walk ends. */
async function walk(
  limit: number,
  read: (cursor?: string) => Promise<RecordPage>,
  from?: string,
): Promise<RecordView[]> {
  const found: RecordView[] = []
  let cursor = from
  for (let pages = 0; pages < 100_000; pages++) {
    const page = cursor === undefined ? await read() : await read(cursor)
    assert.ok(page.records.length <= limit, `a page of ${page.records.length}, its limit is ${limit}`)
    found.push(...page.records)
    if (page.cursor === undefined) return found
    cursor = page.cursor
  }
  return assert.fail('the listing does not end')
}

function list(t: Trial, limit: number, state?: RecordState, from?: string): Promise<RecordView[]> {
  return walk(
    limit,
    cursor => t.store.list({ limit, ...(cursor !== undefined && { cursor }), ...(state !== undefined && { state }) }),
    from,
  )
}

function unknown(t: Trial, limit: number): Promise<RecordView[]> {
  return walk(limit, cursor => t.store.unknown({ limit, ...(cursor !== undefined && { cursor }) }))
}

/** The case's own names among the records, sorted; others' records are not looked at. */
function mine(t: Trial, records: readonly RecordView[], own: readonly string[] = names): string[] {
  const nameOf = new Map(own.map(name => [t.key(name), name]))
  return records.flatMap(record => nameOf.get(record.id) ?? []).sort()
}

export const listingCases: readonly KitCase[] = [
  ...[1, 2, 3, 7, 100].map(
    (limit): KitCase => ({
      name: `a listing by ${limit} has every record once`,
      async run(t) {
        await fill(t)
        assertAnswer(mine(t, await list(t, limit)), names)
        assertAnswer(mine(t, await list(t, limit, 'completed')), ['k0', 'k3', 'k6', 'k9'])
        assertAnswer(mine(t, await list(t, limit, 'running')), ['k2', 'k5', 'k8'])
        assertAnswer(mine(t, await list(t, limit, 'unknown')), ['k1', 'k4', 'k7'])
        assertAnswer(mine(t, await list(t, limit, 'purged')), [])
      },
    }),
  ),
  {
    name: 'a listing shows what get shows',
    async run(t) {
      await fill(t)
      await t.end('cancelled', { key: 'purged' })
      await t.end('broken', { key: 'open' })
      const own = [...names, 'purged', 'open']
      const records = await list(t, 4)
      assertAnswer(mine(t, records, own), [...own].sort())
      for (const name of own) {
        const { leaseLeftMs: _, ...listed } = records.find(record => record.id === t.key(name)) ?? assert.fail(name)
        const { leaseLeftMs: __, ...got } = (await t.store.get(t.key(name))) ?? assert.fail(name)
        assertAnswer(listed, got)
      }
    },
  },
  {
    name: 'a listing goes on after a page whose records are gone, and shows new ones at most once',
    async run(t) {
      await fill(t)
      const first = await t.store.list({ limit: 4 })
      const gone = mine(t, first.records)
      for (const record of first.records) {
        if (mine(t, [record]).length > 0) await t.store.purge(record.id, record.fence, { force: true })
      }
      await t.token({ key: 'new' })
      const rest = first.cursor === undefined ? [] : await list(t, 4, undefined, first.cursor)
      const seen = [...gone, ...mine(t, rest, [...names, 'new'])]
      assert.equal(new Set(seen).size, seen.length, `seen twice: ${seen.join(' ')}`)
      assertAnswer(seen.filter(name => name !== 'new').sort(), names)
    },
  },
  {
    name: 'I12 the unknown ones have a list of their own, which they leave',
    async run(t) {
      await fill(t)
      assertAnswer(mine(t, await unknown(t, 2)), ['k1', 'k4', 'k7'])
      const healed = (await t.store.get(t.key('k1'))) ?? assert.fail()
      const token = { fence: healed.fence, owner: t.owner('a') }
      assert.equal(await t.store.complete(t.key('k1'), token, piece(0, 'late')), 'ok')
      const resolved = (await t.store.get(t.key('k4'))) ?? assert.fail()
      assert.equal(await t.store.resolve(t.key('k4'), resolved.fence), 'ok')
      assertAnswer(mine(t, await unknown(t, 2)), ['k7'])
      const purged = (await t.store.get(t.key('k7'))) ?? assert.fail()
      assert.equal(await t.store.purge(t.key('k7'), purged.fence, { force: false }), 'ok')
      assertAnswer(mine(t, await unknown(t, 2)), [])
    },
  },
  {
    name: 'I12 what a claim gave up is among the unknown, whatever it was before',
    needsMs: lapseMs,
    async run(t) {
      const brief = { leaseMs: shortLeaseMs, maxAttempts: 1 }
      await t.token({ key: 'capped', ...brief })
      const sent = await t.token({ key: 'sent', ...brief, onCrash: 'fail', maxAttempts: 3 })
      await t.store.renew(t.key('sent'), sent, { leaseMs: shortLeaseMs, sent: true })
      await t.end('broken', { key: 'open', ...brief })
      await t.lapse()
      const given = ['capped', 'open', 'sent']
      assertAnswer(mine(t, await unknown(t, 10), given), [])
      for (const key of given) assertAnswer(await t.claim({ key, owner: 'b' }), { kind: 'unknown', attempt: 1 })
      assertAnswer(mine(t, await unknown(t, 10), given), given)
    },
  },
  {
    name: 'I9 nothing expired is listed',
    needsMs: shortRetentionMs,
    async run(t) {
      const brief = { onCrash: 'fail', leaseMs: shortLeaseMs, retentionMs: shortRetentionMs } as const
      await t.end('broken', { key: 'k0', ...brief })
      const token = await t.token({ key: 'k1', ...brief })
      await t.store.complete(t.key('k1'), token, piece(0, 'x'))
      await t.end('broken', { key: 'k2', onCrash: 'fail' })
      await t.passSurely(shortRetentionMs)
      assertAnswer(mine(t, await list(t, 10)), ['k2'])
      assertAnswer(mine(t, await unknown(t, 10)), ['k2'])
    },
  },
]
