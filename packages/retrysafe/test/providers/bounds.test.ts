import { describe, expect, it } from 'vitest'
import { selectWatcher } from '../../src/providers/select.ts'
import type { AnswerHead, AnswerWatcher } from '../../src/providers/watcher.ts'

const responses = { path: '/v1/responses', mediaType: 'text/event-stream' }
const gemini = { path: '/v1beta/models/g:streamGenerateContent', mediaType: 'application/json' }
const ollama = { path: '/api/chat', mediaType: 'application/x-ndjson' }
const embeddings = { path: '/v1/embeddings', mediaType: 'application/json' }

const held = 524_288
const mebibyte = Buffer.alloc(1_048_576, 'x')

function open(head: AnswerHead, ...texts: (string | Uint8Array)[]): AnswerWatcher {
  const watcher = selectWatcher(head)
  for (const text of texts) watcher.write(Buffer.from(text))
  return watcher
}

describe('what is held back', () => {
  it('is a frame that has begun, and nothing once it has ended', () => {
    const watcher = open(responses, 'data: {"type":"a"}\n\ndata: {"ty')
    expect(watcher.heldFromBytes).toBe(20)
    watcher.write(Buffer.from('pe":"b"}\n'))
    expect(watcher.heldFromBytes).toBe(20)
    watcher.write(Buffer.from('\n'))
    expect(watcher.heldFromBytes).toBeUndefined()
  })

  it('is the terminal frame, and what follows it', () => {
    const watcher = open(responses, ': hi\n\n', 'data: {"type":"response.completed"}\n\n', ': bye\n\ndata: 1\n\n')
    expect([watcher.terminalAtBytes, watcher.heldFromBytes]).toEqual([6, 6])
  })

  it('is an error, and what follows it', () => {
    const watcher = open(responses, 'data: {"type":"err')
    expect(watcher.heldFromBytes).toBe(0)
    watcher.write(Buffer.from('or"}\n\ndata: {"type":"response.completed"}\n\n'))
    expect([watcher.terminalAtBytes, watcher.isOver, watcher.heldFromBytes]).toEqual([undefined, true, 0])
  })

  it('is the last 512 KiB of a frame that has not ended', () => {
    const watcher = open(responses, 'data: {"a":"', mebibyte)
    expect(watcher.heldFromBytes).toBe(12 + 1_048_576 - held)
    watcher.write(mebibyte)
    expect(watcher.heldFromBytes).toBe(12 + 2 * 1_048_576 - held)
  })

  it('is the last 512 KiB of a terminal frame that is longer', () => {
    const watcher = open(
      responses,
      ': hi\n\n',
      'data: {"a":"',
      mebibyte,
      '","type":"response.completed"}\n',
      '\n: bye\n\n',
    )
    const endBytes = 6 + 12 + 1_048_576 + 31
    expect([watcher.terminalAtBytes, watcher.heldFromBytes]).toEqual([6, endBytes - held])
    expect(watcher.end(false).kind).toBe('complete')
  })

  it('is the last of the items that may be the last, in a Gemini array', () => {
    const finished = '{"candidates":[{"finishReason":"STOP"}]}'
    const watcher = open(gemini, '[{"candidates":[{}]}')
    expect(watcher.heldFromBytes).toBeUndefined()
    watcher.write(Buffer.from(`,${finished},`))
    expect(watcher.heldFromBytes).toBe(21)
    watcher.write(Buffer.from('{"candidates"'))
    expect(watcher.heldFromBytes).toBe(21)
    watcher.write(Buffer.from(':[{"finishReason":"STOP"}]}]'))
    expect([watcher.terminalAtBytes, watcher.heldFromBytes]).toEqual([undefined, 62])
  })

  it('is an item with its finishReason also when only usage follows it, and none when another candidate does', () => {
    const finished = '{"candidates":[{"finishReason":"STOP"}]}'
    expect(open(gemini, `[${finished},{"usageMetadata":{}}`).heldFromBytes).toBe(1)
    expect(open(gemini, `[${finished},{"candidates":[{"index":1}]}`).heldFromBytes).toBeUndefined()
  })

  it('is nothing of a plain answer: its framing ends it', () => {
    expect(open(embeddings, '{"a":1}').heldFromBytes).toBeUndefined()
  })
})

describe('answers of any length and depth', () => {
  /** Characters that JSON takes one by one, so that each is looked at, and 100,000 levels. */
  const nested = `${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`

  it.each([
    ['an event', responses, 'data: {"a":', ',"type":"response.completed"}\n\n'],
    ['a line', ollama, '{"a":', ',"done":true}\n'],
    ['an item', gemini, '[{"a":', ',"candidates":[{"finishReason":"STOP"}]}]'],
    ['a body', embeddings, '{"a":', ',"usage":{"prompt_tokens":3}}'],
  ])('%s of 64 MiB, in pieces of 64 KiB and in single bytes', (_, head, before, after) => {
    const big = open(head, `${before}"`)
    for (let count = 0; count < 64; count++) {
      for (let at = 0; at < mebibyte.length; at += 65_536) big.write(mebibyte.subarray(at, at + 65_536))
    }
    big.write(Buffer.from(`"${after}`))
    expect(big.end(true).kind).toBe('complete')

    const deep = open(head, before)
    for (const byte of Buffer.from(nested)) deep.write(Buffer.of(byte))
    deep.write(Buffer.from(after))
    expect(deep.end(true).kind).toBe('complete')
  })

  it.each([
    ['braces', responses, `data: ${'{"a":'.repeat(100_000)}\n\n`],
    ['brackets', gemini, '['.repeat(1_000_000)],
    ['lines', ollama, '[\n'.repeat(100_000)],
    ['a body', embeddings, '[{"a":'.repeat(1_000_000)],
  ])('%s that nobody closes', (_, head, text) => {
    expect(open(head, text).end(true).kind).toBe('incomplete')
  })
})
