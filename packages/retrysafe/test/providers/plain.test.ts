import { describe, expect, it } from 'vitest'
import { watchGeneric } from '../../src/providers/generic.ts'
import { watchJsonBody } from '../../src/providers/json-body.ts'
import { selectWatcher } from '../../src/providers/select.ts'
import { splitAt } from '../support/split.ts'

function judge(text: string, clean = true, cuts: readonly number[] = []): string {
  const watcher = watchJsonBody()
  for (const piece of splitAt(Buffer.from(text), cuts)) watcher.write(piece)
  return watcher.end(clean).kind
}

describe('watchJsonBody', () => {
  it('is complete when it is a whole document', () => {
    expect(judge('{"id":"1","choices":[]}')).toBe('complete')
    expect(judge('{"text":"世界"}', true, [10, 11, 12])).toBe('complete')
    expect(judge('[1]')).toBe('complete')
    expect(judge('null')).toBe('complete')
    expect(judge('{"error":null,"id":"1"}')).toBe('complete')
  })

  it('is incomplete when it was cut, by its framing or by its syntax', () => {
    expect(judge('{"id":"1"}', false)).toBe('incomplete')
    expect(judge('{"id":"1"')).toBe('incomplete')
    expect(judge('')).toBe('incomplete')
    expect(judge('{"id":"1"}{')).toBe('incomplete')
  })

  it('is an error when it says so', () => {
    expect(judge('{"error":{"message":"overloaded"}}')).toBe('error')
    expect(judge('{"error":{"message":"overloaded"}}', true, [3])).toBe('error')
  })

  it('never names a terminal frame', () => {
    const watcher = watchJsonBody()
    watcher.write(Buffer.from('{"a":1}'))
    expect(watcher.terminalAtBytes).toBeUndefined()
  })

  it("takes a body over 8 MiB at its framing's word", () => {
    const watcher = watchJsonBody()
    for (let at = 0; at < 9; at++) watcher.write(Buffer.alloc(1_048_576, 0x20))
    expect(watcher.end(true).kind).toBe('complete')
    expect(watcher.end(false).kind).toBe('incomplete')
  })
})

describe('watchGeneric', () => {
  it('believes the framing', () => {
    expect(watchGeneric().end(true).kind).toBe('complete')
    expect(watchGeneric().end(false).kind).toBe('incomplete')
    expect(watchGeneric().terminalAtBytes).toBeUndefined()
  })
})

describe('selectWatcher', () => {
  const verdictOf = (path: string, mediaType: string, text: string): string => {
    const watcher = selectWatcher({ path, mediaType })
    watcher.write(Buffer.from(text))
    return watcher.end(true).kind
  }

  it('watches chat completions by their media type', () => {
    expect(verdictOf('/v1/chat/completions', 'text/event-stream', 'data: a\n\n')).toBe('incomplete')
    expect(verdictOf('/openai/deployments/d/chat/completions', 'text/event-stream', 'data: a\n\n')).toBe('incomplete')
    expect(verdictOf('/v1/chat/completions', 'application/json', '{')).toBe('incomplete')
    // Whatever it says it is, it is no chat completion.
    expect(verdictOf('/v1/chat/completions', 'text/plain', '{')).toBe('incomplete')
    expect(verdictOf('/v1/chat/completions', '', '')).toBe('incomplete')
  })

  it('knows nothing of the rest', () => {
    expect(verdictOf('/api/messages', 'text/event-stream', 'data: a\n\n')).toBe('complete')
    expect(verdictOf('/api/messages', 'application/json', '{')).toBe('complete')
  })
})
