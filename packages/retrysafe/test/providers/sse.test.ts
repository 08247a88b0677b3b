import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Frame } from '../../src/providers/frame.ts'
import { members, plain } from '../../src/providers/json-shape.ts'
import { SseFraming } from '../../src/providers/sse.ts'
import { splitAt } from '../support/split.ts'

function scan(pieces: readonly Uint8Array[], end = true): Frame[] {
  const frames: Frame[] = []
  const framing = new SseFraming(members({ a: plain }), frame => frames.push(frame))
  for (const piece of pieces) framing.write(piece, 0)
  if (end) framing.end()
  return frames
}

const bytes = (text: string): Buffer => Buffer.from(text)
const values = (text: string, end = true): unknown[] => scan([bytes(text)], end).map(({ value }) => value)

describe('SseFraming', () => {
  it('finds events with LF, CR and CRLF', () => {
    const text = 'data: {"a":1}\n\ndata:{"a":"b"}\n\n'
    const frame = { isNamedError: false, isDone: false, isBare: false }
    expect(scan([bytes(text)])).toEqual([
      { ...frame, value: { a: 1 }, atBytes: 0, endBytes: 14 },
      { ...frame, value: { a: 'b' }, atBytes: 15, endBytes: 30 },
    ])
    expect(scan([bytes(text.replaceAll('\n', '\r'))])).toEqual(scan([bytes(text)]))
    expect(scan([bytes(text.replaceAll('\n', '\r\n'))])).toEqual([
      { ...frame, value: { a: 1 }, atBytes: 0, endBytes: 15 },
      { ...frame, value: { a: 'b' }, atBytes: 17, endBytes: 33 },
    ])
  })

  it('joins data lines, skips comments and other fields', () => {
    expect(values(': hello\nevent: message\nid: 7\nretry: 10\ndata: {"a"\ndata::\ndata\ndata: true}\n\n')).toEqual([
      { a: true },
    ])
    // A string that goes over a line has a line feed in it, which JSON does not take.
    expect(values('data: {"a":"x\ndata: y"}\n\n')).toEqual([undefined])
    expect(values('datax: {"a":1}\nxdata: {"a":1}\n\n')).toEqual([])
  })

  it('takes away one space after the colon, not two', () => {
    expect(scan([bytes('data:[DONE]\n\n')])[0]?.isDone).toBe(true)
    expect(scan([bytes('data: [DONE]\n\n')])[0]?.isDone).toBe(true)
    expect(scan([bytes('data:  [DONE]\n\n')])[0]?.isDone).toBe(false)
    expect(scan([bytes('data: [DO\ndata: NE]\n\n')])[0]?.isDone).toBe(false)
    expect(scan([bytes('data: [DONE] \ndata: x\n\n')])[0]?.isDone).toBe(true)
  })

  it('knows an event named error, by the last of its names, with data or without', () => {
    const isError = (text: string): boolean[] => scan([bytes(text)]).map(({ isNamedError }) => isNamedError)
    expect(isError('event: error\ndata: x\n\n')).toEqual([true])
    expect(isError('data: x\nevent:error\n\n')).toEqual([true])
    expect(isError('event: error\n\ndata: x\n\n')).toEqual([true, false])
    for (const name of ['event: ping', 'event:', 'event: ', 'event']) {
      expect(isError(`event: error\n${name}\ndata: x\n\n`)).toEqual([false])
    }
    expect(isError('event: errors\ndata: x\n\nevent: err\ndata: x\n\nevent\ndata: x\n\n')).toEqual([
      false,
      false,
      false,
    ])
  })

  it('forgets an event without data', () => {
    expect(scan([bytes('event: ping\n\ndata: a\n\n')])).toHaveLength(1)
  })

  it('reads bare JSON in place of an event, and tells it apart', () => {
    const frames = scan([bytes('data: 1\n\n{\n "a": 2\n}\n\ndata: 3\n\n[{}]')])
    expect(frames.map(({ value, isBare }) => [value, isBare])).toEqual([
      [1, false],
      [{ a: 2 }, true],
      [3, false],
      [[], true],
    ])
  })

  it('tells the last event only at a clean end', () => {
    expect(values('data: {"a":1}\n', false)).toEqual([])
    expect(values('data: {"a":1}\n')).toEqual([{ a: 1 }])
    expect(values('data: {"a":1}')).toEqual([{ a: 1 }])
    expect(values('data: 12')).toEqual([12])
  })

  const line = fc.constantFrom(
    'data: "é€💥"',
    'data: [DONE]',
    'event: error',
    ': ping',
    '',
    '',
    'data',
    'id: 1',
    'data: {"a":1}',
    '{"a":1}',
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
})
