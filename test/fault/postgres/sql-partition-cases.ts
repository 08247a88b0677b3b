import assert from 'node:assert/strict'
import type { Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { acquireToken, keyOf } from '../../../packages/retrysafe/test/support/store-terms.ts'
import { type SqlCase, type SqlStage, terms, withStore } from './sql-stage.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000

function textPiece(text: string, offsetBytes = 0) {
  return { offsetBytes, bytes: Buffer.from(text) }
}

/** As the store does it: one partition a transaction, until none is missing; the last one drops what is over. */
async function maintain({ schema, pool }: SqlStage): Promise<void> {
  for (let created = 1; created > 0; ) {
    created = (await pool.query<{ created: number }>(`SELECT created FROM ${schema}.maintain()`)).rows[0]?.created ?? 0
  }
}

/** The partitions that hold bytes, one name a piece. */
async function piecesOf({ schema, pool }: SqlStage): Promise<string[]> {
  const { rows } = await pool.query(`SELECT tableoid::regclass::text AS place FROM ${schema}.log`)
  return rows.map(({ place }) => String(place).split('.').at(-1) ?? '')
}

/** What a retry gets: the text, or the kind of answer. */
async function replayOf(store: Store, name: string): Promise<string> {
  const answer = await store.claim(terms(name, 'retry'))
  return answer.kind === 'completed' ? Buffer.from(answer.log.bytes ?? []).toString() : answer.kind
}

/** Where bytes are, and for how long. */
export const partitionCases: readonly SqlCase[] = [
  {
    name: 'bytes stay as long as their record, to the hour, and go with their day',
    run: stage =>
      withStore(stage, async store => {
        const token = await acquireToken(store, { ...terms('k', 'a'), retentionMs: 10 * dayMs })
        // Late, by an owner whom nobody overtook: the record ends on the very day of its partition.
        await stage.clock.pass(2 * dayMs + 6 * hourMs)
        assert.equal(await store.complete(keyOf('k'), token, textPiece('kept')), 'ok')
        for (let day = 3; day <= 12; day++) {
          await stage.clock.pass(day === 3 ? dayMs - 5 * hourMs : dayMs)
          await maintain(stage)
        }
        assert.equal(await replayOf(store, 'k'), 'kept')
        await stage.clock.pass(6 * hourMs)
        assert.equal(await store.get(keyOf('k')), undefined)
        await stage.clock.pass(dayMs)
        await maintain(stage)
        assert.deepEqual(await piecesOf(stage), [])
      }),
  },
  {
    name: 'bytes of a day that is not there yet wait, and move to it',
    run: stage =>
      withStore(stage, async store => {
        const token = await acquireToken(store, { ...terms('k', 'a'), retentionMs: 29 * dayMs })
        assert.equal(await store.complete(keyOf('k'), token, textPiece('kept')), 'ok')
        // Other cases may have made days ahead of it.
        const { schema, pool } = stage
        await pool.query(`UPDATE ${schema}.record SET log_day = '2039-01-01'`)
        await pool.query(`UPDATE ${schema}.log SET day = '2039-01-01'`)
        await maintain(stage)
        assert.deepEqual(await piecesOf(stage), ['log_default'])
        assert.equal(await replayOf(store, 'k'), 'kept')
        await pool.query(`UPDATE ${schema}.record SET expires_at_ms = expires_at_ms + 5475 * 86400000::bigint`)
        await stage.clock.setMs(Date.parse('2038-12-30'))
        await maintain(stage)
        assert.deepEqual(await piecesOf(stage), ['log_20390101'])
        assert.equal(await replayOf(store, 'k'), 'kept')
      }),
  },
  {
    name: 'completions that come late and together keep their bytes for the whole retention',
    run: stage =>
      withStore(stage, async store => {
        const names = ['a', 'b', 'c', 'd', 'e']
        const tokens = await Promise.all(
          names.map(name => acquireToken(store, { ...terms(name, 'o'), retentionMs: 10 * dayMs })),
        )
        await stage.clock.pass(5 * dayMs)
        const told = await Promise.all(
          names.map((name, at) => store.complete(keyOf(name), tokens[at] ?? assert.fail(), textPiece(name))),
        )
        assert.deepEqual(told, ['ok', 'ok', 'ok', 'ok', 'ok'])
        for (let day = 6; day <= 14; day++) {
          await stage.clock.pass(dayMs)
          await maintain(stage)
        }
        assert.deepEqual(await Promise.all(names.map(name => replayOf(store, name))), names)
      }),
  },
  {
    name: 'bytes move with a run that is renewed beyond their day',
    run: stage =>
      withStore(stage, async store => {
        const token = await acquireToken(store, { ...terms('k', 'a'), leaseMs: hourMs })
        await store.append(keyOf('k'), token, textPiece('be'))
        for (let halfDay = 1; halfDay <= 12; halfDay++) {
          await stage.clock.pass(dayMs / 2)
          assert.equal((await store.renew(keyOf('k'), token, { leaseMs: hourMs })).kind, 'ok')
          await maintain(stage)
        }
        assert.equal(await store.complete(keyOf('k'), token, textPiece('gun', 2)), 'ok')
        assert.equal(await replayOf(store, 'k'), 'begun')
      }),
  },
]
