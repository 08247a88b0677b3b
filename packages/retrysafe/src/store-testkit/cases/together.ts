import assert from 'node:assert/strict'
import type { Token } from '../../engine/record.ts'
import { assertAnswer } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, shortLeaseMs } from '../durations.ts'
import { piece, type Trial } from '../trial.ts'

/** A store may gather steps that come at once, and make them together: each is answered as if it had come alone. */
interface Together {
  readonly key: string
  readonly token: Token
  readonly offsetBytes: number
  readonly text: string
  readonly told: unknown
  /** What the log is then; `undefined` where the token sees none. */
  readonly log?: string
}

/** Two attempts of one owner: the older token is worth nothing, though its owner has the record. */
async function olderFence(t: Trial, key: string): Promise<Token> {
  const older = await t.end('free', { key })
  await t.token({ key })
  return older
}

async function appended(t: Trial, key: string, text: string): Promise<Token> {
  const token = await t.token({ key })
  await t.store.append(t.key(key), token, piece(0, text))
  return token
}

/** Tokens that are not worth anything any more, by their key. */
async function lostTokens(t: Trial): Promise<Together[]> {
  const zombie = await t.token({ key: 'zombie', leaseMs: shortLeaseMs })
  await t.lapse()
  await t.token({ key: 'zombie', owner: 'b' })
  const { fence } = await t.token({ key: 'other owner' })
  const tokens: Record<string, Token> = {
    zombie,
    'other owner': { fence, owner: t.owner('b') },
    'older fence': await olderFence(t, 'older fence'),
    freed: await t.end('free', { key: 'freed' }),
    broken: await t.end('broken', { key: 'broken' }),
  }
  return Object.entries(tokens).map(([key, token]) => ({ key, token, offsetBytes: 0, text: 'late', told: 'lost' }))
}

const large = 'large '.repeat(12_000)

export const togetherCases: readonly KitCase[] = [
  {
    name: 'I2 completes of many records at once are each a complete',
    needsMs: lapseMs,
    async run(t) {
      const lost = await lostTokens(t)
      const done = await t.token({ key: 'done' })
      await t.store.complete(t.key('done'), done, piece(0, 'before'))
      const unknown = await t.end('broken', { key: 'unknown', onCrash: 'fail' })
      const told: Together[] = [
        ...lost,
        { key: 'done', token: done, offsetBytes: 0, text: 'again', told: 'dup', log: 'before' },
        { key: 'unknown', token: unknown, offsetBytes: 0, text: 'healed', told: 'ok', log: 'healed' },
        { key: 'new', token: await t.token({ key: 'new' }), offsetBytes: 0, text: 'new', told: 'ok', log: 'new' },
        { key: 'cut', token: await appended(t, 'cut', 'abcdef'), offsetBytes: 3, text: 'X', told: 'ok', log: 'abcX' },
        {
          key: 'on',
          token: await appended(t, 'on', 'abcdef'),
          offsetBytes: 6,
          text: 'gh',
          told: 'ok',
          log: 'abcdefgh',
        },
        { key: 'gap', token: await appended(t, 'gap', 'ab'), offsetBytes: 3, text: 'd', told: 'gap', log: 'ab' },
        { key: 'empty', token: await t.token({ key: 'empty' }), offsetBytes: 0, text: '', told: 'ok', log: '' },
        { key: 'large', token: await t.token({ key: 'large' }), offsetBytes: 0, text: large, told: 'ok', log: large },
      ]
      const answers = await Promise.all(
        told.map(({ key, token, offsetBytes, text }) => t.store.complete(t.key(key), token, piece(offsetBytes, text))),
      )
      assertAnswer(
        answers.map((answer, at) => `${told[at]?.key}: ${answer}`),
        told.map(one => `${one.key}: ${one.told}`),
      )
      for (const { key, token, log } of told) {
        if (log !== undefined) assert.equal(await t.log(token.fence, key, 100_000), log, key)
      }
      for (const { key } of lost) assert.notEqual(await t.state(key), 'completed', key)
    },
  },
  {
    name: 'I7 appends to many logs at once are each an append',
    needsMs: lapseMs,
    async run(t) {
      const ok = (lengthBytes: number) => ({ kind: 'ok', lengthBytes, followed: false })
      const told: Together[] = [
        ...(await lostTokens(t)).map(one => ({ ...one, told: { kind: 'lost' } })),
        { key: 'new', token: await t.token({ key: 'new' }), offsetBytes: 0, text: 'new', told: ok(3), log: 'new' },
        { key: 'empty', token: await t.token({ key: 'empty' }), offsetBytes: 0, text: '', told: ok(0), log: '' },
        { key: 'on', token: await appended(t, 'on', 'ab'), offsetBytes: 2, text: 'cd', told: ok(4), log: 'abcd' },
        {
          key: 'dup',
          token: await appended(t, 'dup', 'ab'),
          offsetBytes: 0,
          text: 'ab',
          told: { kind: 'dup' },
          log: 'ab',
        },
        {
          key: 'gap',
          token: await appended(t, 'gap', 'ab'),
          offsetBytes: 3,
          text: 'd',
          told: { kind: 'gap', lengthBytes: 2 },
          log: 'ab',
        },
        {
          key: 'large',
          token: await t.token({ key: 'large' }),
          offsetBytes: 0,
          text: large,
          told: ok(72_000),
          log: large,
        },
      ]
      const answers = await Promise.all(
        told.map(({ key, token, offsetBytes, text }) => t.store.append(t.key(key), token, piece(offsetBytes, text))),
      )
      assertAnswer(
        answers.map((answer, at) => ({ [told[at]?.key ?? '']: answer })),
        told.map(one => ({ [one.key]: one.told })),
      )
      for (const { key, token, log } of told) {
        if (log !== undefined) assert.equal(await t.log(token.fence, key, 100_000), log, key)
      }
    },
  },
]
