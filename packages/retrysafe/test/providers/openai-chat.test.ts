import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { selectWatcher } from '../../src/providers/select.ts'
import { splitAt } from '../support/split.ts'
import { type Watched, watch as watchAny } from './watching.ts'

const head = { path: '/v1/chat/completions', mediaType: 'text/event-stream' }

function watch(pieces: readonly Uint8Array[], clean = true): Omit<Watched, 'report'> {
  const { verdict, terminalAtBytes } = watchAny(head, pieces, clean)
  return { verdict, terminalAtBytes }
}

const watchText = (text: string, clean = true): Omit<Watched, 'report'> => watch([Buffer.from(text)], clean)

function chunk(delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
}

const first = chunk({ role: 'assistant', content: '' })
const word = chunk({ content: 'Grüße, 世界 💥' })
const stop = chunk({}, 'stop')
const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
const done = 'data: [DONE]\n\n'
const whole = first + word + stop + usage + done

describe('a stream of a chat completion', () => {
  it('is complete at [DONE] after a finish_reason', () => {
    expect(watchText(whole)).toEqual({
      verdict: 'complete',
      terminalAtBytes: Buffer.byteLength(first + word + stop + usage),
    })
  })

  it('knows the terminal frame as soon as it is there, and not before', () => {
    const watcher = selectWatcher(head)
    watcher.write(Buffer.from(first + stop))
    expect(watcher.terminalAtBytes).toBeUndefined()
    watcher.write(Buffer.from('data: [DONE]\n'))
    expect(watcher.terminalAtBytes).toBeUndefined()
    watcher.write(Buffer.from('\n'))
    expect(watcher.terminalAtBytes).toBe(Buffer.byteLength(first + stop))
  })

  it.each(['length', 'tool_calls', 'content_filter', 'function_call'])('is complete with finish_reason %s', reason => {
    expect(watchText(first + chunk({}, reason) + done).verdict).toBe('complete')
  })

  it.each(['error', 'abort', 'insufficient_system_resource'])('has failed with finish_reason %s', reason => {
    expect(watchText(first + word + chunk({}, reason) + done).verdict).toBe('error')
    const plain = `{"choices":[{"index":0,"message":{"content":"half"},"finish_reason":"${reason}"}]}`
    const body = { path: '/v1/chat/completions', mediaType: 'application/json' }
    expect(watchAny(body, [Buffer.from(plain)]).verdict).toBe('error')
  })

  it('is incomplete when its only finish_reason is empty', () => {
    expect(watchText(first + chunk({ content: 'a' }, '') + done).verdict).toBe('incomplete')
    expect(watchText(first + chunk({ content: 'a' }, '') + stop + done).verdict).toBe('complete')
  })

  it('is incomplete without [DONE]', () => {
    expect(watchText(first + word + stop)).toEqual({ verdict: 'incomplete', terminalAtBytes: undefined })
  })

  it('is incomplete when [DONE] comes without a finish_reason', () => {
    expect(watchText(first + word + done)).toEqual({ verdict: 'incomplete', terminalAtBytes: undefined })
  })

  it('is incomplete when it is empty, or no stream of events', () => {
    expect(watchText('').verdict).toBe('incomplete')
    expect(watchText('<html>Bad gateway</html>').verdict).toBe('incomplete')
  })

  it.each(['data', 'data: ', 'data: [DO', 'data: [DONE', 'data: [DONE]', 'data: [DONE]\n'])(
    'is incomplete when it was cut at %j',
    tail => {
      expect(watchText(first + stop + tail, false)).toEqual({ verdict: 'incomplete', terminalAtBytes: undefined })
    },
  )

  it('believes a [DONE] without its blank line only at a clean end', () => {
    expect(watchText(`${first}${stop}data: [DONE]`, true).verdict).toBe('complete')
    expect(watchText(`${first}${stop}data: [DON`, true).verdict).toBe('incomplete')
  })

  it('is complete when it was cut after the terminal frame', () => {
    expect(watchText(whole, false).verdict).toBe('complete')
  })

  it.each([
    ['an error object', 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'],
    ['an error event', 'event: error\ndata: {"message":"overloaded"}\n\n'],
    ['an error event that is no JSON', 'event: error\ndata: overloaded\n\n'],
    // openai-node and openai-python throw at any truthy `error` of a chunk.
    ['an error string', 'data: {"error":"overloaded"}\n\n'],
    [
      'an error beside choices',
      'data: {"choices":[{"index":0,"delta":{},"finish_reason":null}],"error":{"code":502}}\n\n',
    ],
  ])('is an error with %s, wherever it stands', (_, frame) => {
    expect(watchText(first + word + frame)).toMatchObject({ verdict: 'error' })
    expect(watchText(frame)).toMatchObject({ verdict: 'error' })
    expect(watchText(first + stop + frame + done)).toEqual({ verdict: 'error', terminalAtBytes: undefined })
    expect(watchText(first + stop + done + frame)).toMatchObject({ verdict: 'error' })
  })

  it('takes "error": null for no error', () => {
    const ok = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"error":null}\n\n'
    expect(watchText(first + ok + done).verdict).toBe('complete')
  })

  it('is not fooled by content that merely holds the names', () => {
    const said = chunk({
      content: '"finish_reason":"stop" and "error":{"message":"x"} and data: [DONE]\n\ndata: [DONE]\n\n',
    })
    expect(watchText(first + said)).toEqual({ verdict: 'incomplete', terminalAtBytes: undefined })
    expect(watchText(first + said + done)).toEqual({ verdict: 'incomplete', terminalAtBytes: undefined })
    expect(watchText(first + said + stop + done).verdict).toBe('complete')
    const nested = chunk({
      tool_calls: [{ function: { arguments: JSON.stringify({ finish_reason: 'stop', error: {} }) } }],
    })
    expect(watchText(first + nested + done).verdict).toBe('incomplete')
    const inner = 'data: {"choices":[{"index":0,"delta":{"finish_reason":"stop","error":{}},"finish_reason":null}]}\n\n'
    expect(watchText(first + inner + done).verdict).toBe('incomplete')
  })

  it('reads choices that come in chunks of their own', () => {
    const second = 'data: {"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}\n\n'
    expect(watchText(first + stop + second + done).verdict).toBe('complete')
  })

  it('waits for the finish_reason of each choice, also when two come in one chunk', () => {
    const both =
      'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null},{"index":1,"delta":{},"finish_reason":"stop"}]}\n\n'
    const other =
      'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"},{"index":1,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    expect(watchText(both + done).verdict).toBe('incomplete')
    expect(watchText(other + done).verdict).toBe('incomplete')
    expect(watchText(both + other + done).verdict).toBe('complete')
  })

  it('reads a finish_reason beside a member of that name that is null', () => {
    const frame = 'data: {"choices":[{"index":0,"delta":{"finish_reason":null},"finish_reason":"stop"}]}\n\n'
    expect(watchText(frame + done).verdict).toBe('complete')
  })

  it('reads spaces in JSON, and CRLF', () => {
    const spaced = 'data: { "choices" : [ { "finish_reason" : "stop" } ] }\r\n\r\ndata: [DONE]\r\n\r\n'
    expect(watchText(spaced)).toEqual({ verdict: 'complete', terminalAtBytes: 58 })
  })

  const failing = `${first + word}data: {"error":{"message":"overloaded"}}\n\n${done}`
  const crlf = whole.replaceAll('\n', '\r\n')
  const cr = whole.replaceAll('\n', '\r')
  const streams = [whole, crlf, cr, failing, first + word + done, first + stop, `: ping\n\n${whole}`]

  it('says the same however the stream is split, also inside a character and between CR and LF', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...streams),
        fc.array(fc.nat(2_000), { maxLength: 60 }),
        fc.boolean(),
        (text, cuts, clean) => {
          expect(watch(splitAt(Buffer.from(text), cuts), clean)).toEqual(watchText(text, clean))
        },
      ),
      { numRuns: 500 },
    )
  })

  it.each(streams.map((text, at) => [at, text] as const))('says the same byte by byte (stream %i)', (_, text) => {
    const bytes = Buffer.from(text)
    const cuts = Array.from({ length: bytes.byteLength }, (_unused, at) => at)
    expect(watch(splitAt(bytes, cuts))).toEqual(watchText(text))
  })
})
