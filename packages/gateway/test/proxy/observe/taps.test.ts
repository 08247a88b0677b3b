import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { UpstreamHead } from '../../../src/proxy/answer-head.ts'
import { AnswerTap } from '../../../src/proxy/observe/answer-tap.ts'
import { BodyTap } from '../../../src/proxy/observe/body-tap.ts'

const json = '{"model":"m-1","usage":{"prompt_tokens":4,"completion_tokens":5},"choices":[{"finish_reason":"stop"}]}'

function headOf(more: Partial<UpstreamHead>): UpstreamHead {
  return {
    status: 200,
    headers: [],
    replayable: [],
    mediaType: 'application/json',
    contentEncoding: undefined,
    contentLength: undefined,
    isBodiless: false,
    endsByClose: false,
    unknownTransferCoding: undefined,
    retryAfter: { retryAfter: undefined, retryAfterMs: undefined },
    ...more,
  }
}

/** Whether the answer would have been recorded, and the tokens that it says it put out. */
function seeAnswer(more: Partial<UpstreamHead>, pieces: readonly Buffer[], isWhole = true): Promise<unknown[]> {
  const tap = new AnswerTap(headOf(more), '/v1/chat/completions', [{ from: 200, to: 299 }])
  for (const piece of pieces) tap.write(piece)
  return new Promise(resolve => {
    tap.end(isWhole, ({ succeeded, report }) => resolve([succeeded, report?.usage?.outputTokens]))
  })
}

const packed = gzipSync(json)
test.each<[string, Partial<UpstreamHead>, Buffer[], boolean, unknown[]]>([
  ['plain', {}, [Buffer.from(json.slice(0, 30)), Buffer.from(json.slice(30))], true, [true, 5]],
  ['packed', { contentEncoding: 'gzip' }, [packed.subarray(0, 20), packed.subarray(20)], true, [true, 5]],
  ['in a coding that nobody here reads', { contentEncoding: 'zstd' }, [packed], true, [true, undefined]],
  ['packed, but not so', { contentEncoding: 'gzip' }, [Buffer.from(json)], true, [false, undefined]],
  ['packed and cut', { contentEncoding: 'gzip' }, [packed.subarray(0, 20)], false, [false, undefined]],
  ['cut', {}, [Buffer.from(json.slice(0, 30))], false, [false, undefined]],
  ['an error', { status: 500 }, [Buffer.from(json)], true, [false, undefined]],
  ['an error within a success', {}, [Buffer.from('{"error":{"message":"no"}}')], true, [false, undefined]],
  ['without a length or chunks', { endsByClose: true }, [Buffer.from(json)], true, [false, undefined]],
])('an answer that is %s', async (_, head, pieces, isWhole, expected) => {
  expect(await seeAnswer(head, pieces, isWhole)).toEqual(expected)
})

test('of a bomb no more is looked at than 16 MiB: its usage is unknown', async () => {
  const padded = `{"padding":"${'x'.repeat(40_000_000)}",${json.slice(1)}`
  expect(await seeAnswer({ contentEncoding: 'gzip' }, [gzipSync(padded)])).toEqual([true, undefined])
})

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

test('a body up to 1 MiB is kept until it has been compared; of a longer one only what names its bytes', () => {
  const kept = { bytes: 0 }
  const whole = new BodyTap(kept)
  whole.write(Buffer.from('ab'))
  whole.write(Buffer.from('c'))
  expect(kept.bytes).toBe(3)
  expect(whole.end()).toEqual({ kind: 'whole', bytes: Buffer.from('abc') })
  whole.drop()
  whole.drop()
  expect(kept.bytes).toBe(0)

  const long = new BodyTap(kept)
  long.write(Buffer.from('x'.repeat(1_048_576)))
  expect(kept.bytes).toBe(1_048_576)
  long.write(Buffer.from('y'))
  expect(kept.bytes).toBe(0)
  expect(long.end()).toEqual({ kind: 'hashed', digest: digestOf(`${'x'.repeat(1_048_576)}y`) })
})

test('all bodies that are kept take 64 MiB at most', () => {
  const kept = { bytes: 67_108_860 }
  const fits = new BodyTap(kept)
  fits.write(Buffer.from('abcd'))
  const tooMuch = new BodyTap(kept)
  tooMuch.write(Buffer.from('e'))
  expect([fits.end().kind, tooMuch.end().kind, kept.bytes]).toEqual(['whole', 'hashed', 67_108_864])
})
