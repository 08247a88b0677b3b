import assert from 'node:assert/strict'
import { assertAnswer, assertMatches } from '../assertions.ts'
import type { KitCase } from '../case.ts'
import { lapseMs, longLeaseMs, shortLeaseMs } from '../durations.ts'
import { piece } from '../trial.ts'

export const readCases: readonly KitCase[] = [
  {
    name: 'I8 read says how a generation ended',
    async run(t) {
      assertAnswer(await t.store.read(t.key(), 1, 0, 10), { kind: 'ended', state: 'absent', cooldownMs: 0 })
      const token = await t.token()
      const other = await t.store.read(t.key(), token.fence + 1, 0, 10)
      assertAnswer(other, { kind: 'ended', state: 'running', cooldownMs: 0 })
      await t.release(token, 'failed')
      const open = await t.store.read(t.key(), token.fence, 0, 10)
      assertAnswer(open, { kind: 'ended', state: 'open', cooldownMs: 0 })
      const { fence } = await t.end('broken', { key: 'unknown', onCrash: 'fail' })
      const unknown = await t.store.read(t.key('unknown'), fence, 0, 10)
      assertAnswer(unknown, { kind: 'ended', state: 'unknown', cooldownMs: 0 })
    },
  },
  {
    name: 'read says what is left of a cooldown',
    async run(t) {
      const { fence } = await t.end('broken', {}, longLeaseMs)
      const answer = await t.store.read(t.key(), fence, 0, 10)
      assertMatches(answer, { kind: 'ended', state: 'open' })
      t.near(answer.kind === 'ended' ? answer.cooldownMs : -1, longLeaseMs, 'cooldownMs')
    },
  },
  {
    name: 'I8 read gives nothing past the end',
    async run(t) {
      const token = await t.token()
      await t.store.append(t.key(), token, piece(0, 'abc'))
      const empty = { kind: 'bytes', bytes: '', lengthBytes: 3, sealed: false, lapsed: false }
      assertAnswer(await t.store.read(t.key(), token.fence, 3, 10), empty)
      assertAnswer(await t.store.read(t.key(), token.fence, 99, 10), empty)
      assertMatches(await t.store.read(t.key(), token.fence, 1, 1), { bytes: 'b' })
      assertMatches(await t.store.read(t.key(), token.fence, 2, 10), { bytes: 'c' })
    },
  },
  {
    name: 'I8 every prefix of a growing log is read without gap or repeat',
    async run(t) {
      const token = await t.token()
      let written = ''
      let read = ''
      for (let at = 0; at < 20; at++) {
        const text = `<${at}>`
        await t.store.append(t.key(), token, piece(written.length, text))
        written += text
        const answer = await t.store.read(t.key(), token.fence, read.length, 5)
        if (answer.kind === 'ended') assert.fail(answer.state)
        read += Buffer.from(answer.bytes).toString('latin1')
        assert.ok(written.startsWith(read), `${read} is no prefix of ${written}`)
        assert.equal(answer.lengthBytes, written.length)
        assert.equal(await t.log(token.fence), written)
      }
      assert.ok(read.length > 50, `only ${read.length} bytes were read`)
    },
  },
  {
    name: 'I8 a log of many pieces is read whole from every place',
    async run(t) {
      const token = await t.token()
      const whole = Array.from({ length: 40 }, (_, at) => `piece ${at};`).join('')
      for (let offset = 0; offset < whole.length; offset += 7) {
        await t.store.append(t.key(), token, piece(offset, whole.slice(offset, offset + 7)))
      }
      for (let offset = 0; offset <= whole.length; offset += 13) {
        assert.equal(await t.log(token.fence, 'k', 100, offset), whole.slice(offset))
      }
    },
  },
  {
    name: 'I12 read tells a follower that the owner has lapsed',
    needsMs: lapseMs,
    async run(t) {
      const token = await t.token({ leaseMs: shortLeaseMs })
      await t.pass(lapseMs - t.edgeMs)
      assertMatches(await t.store.read(t.key(), token.fence, 0, 1), { kind: 'bytes', lapsed: false })
      await t.passSurely(t.edgeMs)
      assertMatches(await t.store.read(t.key(), token.fence, 0, 1), { kind: 'bytes', lapsed: true, sealed: false })
      await t.store.renew(t.key(), token, { leaseMs: longLeaseMs })
      assertMatches(await t.store.read(t.key(), token.fence, 0, 1), { kind: 'bytes', lapsed: false })
    },
  },
]
