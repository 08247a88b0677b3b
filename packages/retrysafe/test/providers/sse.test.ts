import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SseEvent, SseScanner } from '../../src/providers/sse.ts'
import { splitAt } from '../support/split.ts'

function scan(pieces: readonly Uint8Array[], end = true): SseEvent[] {
  const events: SseEvent[] = []
  const scanner = new SseScanner(event => events.push(event))
  for (const piece of pieces) scanner.write(piece)
  if (end) scanner.end()
  return events
}

const bytes = (text: string): Buffer => Buffer.from(text)

describe('SseScanner', () => {
  it('finds events with LF, CR and CRLF', () => {
    expect(scan([bytes('data: a\n\ndata: b\n\n')])).toEqual([
      { name: '', data: 'a', atBytes: 0 },
      { name: '', data: 'b', atBytes: 9 },
    ])
    expect(scan([bytes('data: a\r\rdata: b\r\r')])).toEqual([
      { name: '', data: 'a', atBytes: 0 },
      { name: '', data: 'b', atBytes: 9 },
    ])
    expect(scan([bytes('data: a\r\n\r\ndata: b\r\n\r\n')])).toEqual([
      { name: '', data: 'a', atBytes: 0 },
      { name: '', data: 'b', atBytes: 11 },
    ])
  })

  it('joins data lines, names events, skips comments and other fields', () => {
    const text = ': hello\nevent: message\nid: 7\nretry: 10\ndata: one\ndata:two\ndata\n\n'
    expect(scan([bytes(text)])).toEqual([{ name: 'message', data: 'one\ntwo\n', atBytes: 0 }])
  })

  it('takes away one space after the colon, not two', () => {
    expect(scan([bytes('data:  a\n\n')])[0]?.data).toBe(' a')
    expect(scan([bytes('data:a\n\n')])[0]?.data).toBe('a')
  })

  it('forgets an event without data, its name too', () => {
    expect(scan([bytes('event: error\n\ndata: a\n\n')])).toEqual([{ name: '', data: 'a', atBytes: 14 }])
  })

  it('skips the byte order mark at the start', () => {
    expect(scan([bytes('\ufeffdata: a\n\n')]).map(event => event.data)).toEqual(['a'])
  })

  it('tells the last event only at a clean end', () => {
    expect(scan([bytes('data: a\n')], false)).toEqual([])
    expect(scan([bytes('data: a\n')])).toEqual([{ name: '', data: 'a', atBytes: 0 }])
    expect(scan([bytes('data: a')])).toEqual([{ name: '', data: 'a', atBytes: 0 }])
  })

  const line = fc.constantFrom(
    'data: é€💥',
    'data: [DONE]',
    'event: error',
    ': ping',
    '',
    '',
    'data',
    'id: 1',
    'data: {"a":1}',
  )
  const ending = fc.constantFrom('\n', '\r', '\r\n')
  const stream = fc.array(fc.tuple(line, ending), { maxLength: 12 }).map(lines => lines.flat().join(''))

  it('finds the same events at the same places however the stream is split', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(200), { maxLength: 20 }), (text, cuts) => {
        expect(scan(splitAt(bytes(text), cuts))).toEqual(scan([bytes(text)]))
      }),
      { numRuns: 500 },
    )
  })

  it('finds the same place of an event when CR and LF of the blank line before it come apart', () => {
    const text = 'data: a\r\n\r\ndata: b\r\n\r\n'
    expect(scan(splitAt(bytes(text), [10]))).toEqual(scan([bytes(text)]))
  })
})
