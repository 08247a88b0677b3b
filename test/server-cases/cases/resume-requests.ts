import { expect } from 'vitest'
import type { Answer } from '../../support/exchange.ts'
import { pieces } from '../script.ts'
import type { Ask } from '../stand.ts'
import { type Case, refusal, told } from '../trial.ts'
import { asStreams, chat, events, finish, hello, noSuch, playWhole, rest, streamed, whole } from './chat-stream.ts'
import { counted } from './replay.ts'

/** Who may ask for the rest of a stream, and how. */
export const resumeRequestCases: readonly Case[] = [
  {
    name: 'to anybody but its tenant a stream is none: the same 404 as for an id that was made up',
    control: asStreams,
    smoke: true,
    async run(t) {
      const stand = await t.open(playWhole)
      const id = await streamed(stand)
      const turned = `${id.slice(0, 40)}${id[40] === 'A' ? 'B' : 'A'}${id.slice(41)}`
      const answers: Answer[] = []
      for (const [asked, offset, credential] of [
        [id, '0', 'bob'],
        [id, '1000000', 'bob'],
        [id, '-1', 'bob'],
        [turned, '0', 'alice'],
        [id.slice(1), '0', 'alice'],
        [`${id}A`, undefined, 'alice'],
        [`${id.slice(0, 75)}%2D`, undefined, 'alice'],
        ['A'.repeat(8_000), undefined, 'alice'],
        ['made-up', undefined, 'alice'],
      ] as const) {
        answers.push(await stand.post(rest(asked, offset, { credential })))
      }
      const [same] = answers
      for (const answer of answers) {
        expect(refusal(answer)).toEqual(noSuch)
        expect(answer.text).toBe(same?.text)
      }
      expect(refusal(await stand.post(rest(id, '0', { credential: null })))).toEqual(
        // The gateway lets a caller on this machine come without a credential: a tenant, and another one.
        t.adapter === 'gateway' ? noSuch : [401, 'TENANT_MISSING', 'false'],
      )
      expect(told(await stand.post(rest(id)))).toEqual([200, 'replayed', whole])
    },
  },
  {
    name: 'a credential in the query counts, beside the offset',
    control: asStreams,
    async run(t) {
      const stand = await t.open(playWhole)
      const id = await streamed(stand, { path: `${chat}?key=secret`, credential: null })
      const asked = (query: string): Ask => rest(`${id}?${query}`, undefined, { credential: null })
      expect(told(await stand.post(asked('key=secret&offset=10')))).toEqual([200, 'replayed', whole.slice(10)])
      expect(told(await stand.post(asked('offset=10&key=secret')))).toEqual([200, 'replayed', whole.slice(10)])
      expect(refusal(await stand.post(asked('key=other&offset=10')))).toEqual(noSuch)
    },
  },
  {
    name: 'an offset is one whole decimal number, and not past the end',
    control: asStreams,
    async run(t) {
      const stand = await t.open(playWhole)
      const id = await streamed(stand)
      for (const offset of ['', '-1', '+1', '1.0', '1e1', '0x1', '%201', '١', 'ten', '1&offset=1', '1,1']) {
        const answer = await stand.post(rest(id, encodeURI(offset).replace('%25', '%')))
        expect([offset, ...refusal(answer)]).toEqual([offset, 400, 'REQUEST_INVALID', 'false'])
      }
      for (const offset of [String(whole.length + 1), '9007199254740993', '9'.repeat(400)]) {
        expect(refusal(await stand.post(rest(id, offset)))).toEqual([416, 'OFFSET_INVALID', undefined])
      }
      expect(told(await stand.post(rest(id, '0000010')))).toEqual([200, 'replayed', whole.slice(10)])
    },
  },
  {
    name: 'only GET resumes: other methods on that path are what they were',
    control: 'the handler has such paths to itself without us',
    async run(t) {
      const stand = await t.open(call =>
        call.count === 1 ? { kind: 'stream', pieces: pieces(hello, finish), headers: events } : counted(call),
      )
      const id = await streamed(stand)
      const posted = await stand.post(rest(id, '0', { method: 'POST', key: `${t.key}-post` }))
      const put = await stand.post(rest(id, '0', { method: 'PUT' }))
      const elsewhere = await stand.post({ method: 'GET', key: null, path: `/_retrysafe/streams/${id}/more` })
      const answers = [posted, put, elsewhere]
      if (t.adapter === 'gateway') {
        for (const answer of answers) expect(refusal(answer)).toEqual([400, 'REQUEST_INVALID', 'false'])
      } else {
        expect(answers.map(answer => answer.text)).toEqual(['{"run":2}', '{"run":3}', '{"run":4}'])
      }
    },
  },
  {
    name: 'a tenant that a function names resumes by what the function reads',
    control: asStreams,
    async run(t) {
      const stand = await t.open(playWhole, {
        tenant: read => {
          if (read('x-user') === 'broken') throw new Error('no users today')
          return read('x-user')
        },
      })
      const as = (user: string): Ask => ({ headers: { 'X-User': user } })
      const id = await streamed(stand, as('ann'))
      expect(told(await stand.post(rest(id, '3', as('ann'))))).toEqual([200, 'replayed', whole.slice(3)])
      expect(refusal(await stand.post(rest(id, '3', as('ben'))))).toEqual(noSuch)
      expect(refusal(await stand.post(rest(id, '3')))).toEqual([401, 'TENANT_MISSING', 'false'])
      expect(refusal(await stand.post(rest(id, '3', as('broken'))))).toEqual([500, 'CALLBACK_FAILED', 'false'])
    },
    skip: { gateway: 'a gateway calls no functions' },
  },
]
