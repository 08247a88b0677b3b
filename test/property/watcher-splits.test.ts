import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AnswerHead,
  type AnswerWatcher,
  type Report,
  selectWatcher,
} from '../../packages/retrysafe/src/providers/index.ts'
import { splitAt } from '../../packages/retrysafe/test/support/split.ts'
import { parameters } from './seed.ts'

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Wire {
  readonly name: string
  readonly head: AnswerHead
  /** Frames that may come in any order and number. */
  readonly parts: readonly string[]
  /** What must have come before the terminal frame, and that frame, or one that may be the last. */
  readonly before: string
  readonly last: string
  /** There is a terminal frame. */
  readonly isTerminal: boolean
  readonly errors: readonly string[]
  /** Puts frames into the bytes of an answer. */
  readonly join: (frames: readonly string[]) => string
}

const joined = (frames: readonly string[]): string => frames.join('')
const events = 'text/event-stream'
const noise = [
  ': ping\n\n',
  '\n',
  'id: 7\nretry: 5\n',
  'data: no JSON\n\n',
  'event: ping\n\n',
  'data\n\n',
  '{"a":1}\n\n',
]
const chat = (rest: string): string => `data: {"id":"c","choices":[${rest}],"model":"m-1"}\n\n`

const wires: readonly Wire[] = [
  {
    name: 'OpenAI chat (SSE)',
    head: { path: '/v1/chat/completions', mediaType: events },
    parts: [
      chat('{"index":0,"delta":{"content":"né 世界 💥"},"finish_reason":null}'),
      chat('{"delta":{"content":"\\"finish_reason\\":\\"stop\\"\\n\\ndata: [DONE]\\n\\n"}}'),
      'data: {"choices":\ndata: []\ndata: ,"usage":{"prompt_tokens":12,"completion_tokens":3}}\n\n',
      ...noise,
    ],
    before: chat('{"index":0,"delta":{},"finish\\u005freason":"stop"}'),
    last: 'data: [DONE]\n\n',
    isTerminal: true,
    errors: ['data: {"error":{"message":"no"}}\n\n', 'event: error\ndata: no\n\n'],
    join: joined,
  },
  {
    name: 'Anthropic (SSE, CRLF)',
    head: { path: '/v1/messages', mediaType: events },
    parts: [
      'event: message_start\r\ndata: {"type":"message_start","message":{"model":"c-4","usage":{"input_tokens":5,"cache_read_input_tokens":7}}}\r\n\r\n',
      'event: content_block_delta\r\ndata: {"type":"content_block_delta","delta":{"text":"ü\\r\\n\\r\\nevent: message_stop"}}\r\n\r\n',
      'event: message_delta\r\ndata: {"type":"message_delta","usage":{"output_tokens":15}}\r\n\r\n',
      'event: ping\rdata: {"type": "ping"}\r\r',
      ...noise,
    ],
    before: '',
    last: 'event: message_stop\r\ndata: {"type":"message_stop"}\r\n\r\n',
    isTerminal: true,
    errors: ['event: error\r\ndata: {"type":"error","error":{"type":"overloaded_error"}}\r\n\r\n'],
    join: joined,
  },
  {
    name: 'OpenAI Responses (SSE)',
    head: { path: '/v1/responses', mediaType: events },
    parts: [
      'event: response.created\ndata: {"type":"response.created","response":{"model":"g-5","usage":null}}\n\n',
      'data: {"type":"response.output_text.delta","delta":"{\\"type\\":\\"response.completed\\"}"}\n\n',
      ...noise,
    ],
    before: '',
    last: 'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n',
    isTerminal: true,
    errors: ['data: {"type":"response.failed"}\n\n', 'data: {"type":"error","message":"no"}\n\n'],
    join: joined,
  },
  {
    name: 'Gemini (SSE)',
    head: { path: '/v1beta/models/g:streamGenerateContent', mediaType: events },
    parts: [
      'data: {"candidates":[{"content":{"parts":[{"text":"né"}]},"index":0}],"usageMetadata":{"promptTokenCount":4}}\r\n\r\n',
      'data: {"usageMetadata":{"promptTokenCount":4,"thoughtsTokenCount":9},"modelVersion":"g-2.5"}\r\n\r\n',
      ...noise,
    ],
    before: '',
    last: 'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":2}}\r\n\r\n',
    isTerminal: false,
    errors: ['data: {"error":{"code":503}}\r\n\r\n', '{"error":{"code":503}}\n\n'],
    join: joined,
  },
  {
    name: 'Gemini (JSON array)',
    head: { path: '/v1beta/models/g:streamGenerateContent', mediaType: 'application/json' },
    parts: [
      '{"candidates":[{"content":{"parts":[{"text":"né \\"},{]}, \\\\"}]}}],"usageMetadata":{"promptTokenCount":4}}',
      '{\n  "usageMetadata": {"promptTokenCount": 4, "thoughtsTokenCount": 9},\n  "modelVersion": "g-2.5"\n}',
    ],
    before: '',
    last: '{ "candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": 2} }',
    isTerminal: false,
    errors: ['{"error":{"code":503}}'],
    join: frames => `[${frames.join('\n,\r\n')}\n]`,
  },
  {
    name: 'Ollama (NDJSON)',
    head: { path: '/api/chat', mediaType: 'application/x-ndjson' },
    parts: [
      '{"model":"l-3","message":{"content":"né\\n{\\"done\\":true}"},"done":false}\n',
      '\n',
      '\r\n',
      'no JSON\n',
      '{}{}\n',
    ],
    before: '',
    last: '{"model":"l-3","done":true,"prompt_eval_count":26,"eval_count":282}\n',
    isTerminal: true,
    errors: ['{"error":"no"}\n'],
    join: joined,
  },
  {
    name: 'a plain answer (JSON)',
    head: { path: '/v1/chat/completions', mediaType: 'application/json' },
    parts: [
      '"a": "né \\" 💥"',
      '"choices": [{"x": [-1.5e-3, 0, true]}]',
      '"mod\\u0065l" : "m-1"',
      '"usage": {"prompt_tokens": 12}',
    ],
    before: '"b": {}',
    last: '"model": "m-2"',
    isTerminal: false,
    errors: ['"error": {"message": "no"}'],
    join: frames => `{${frames.join(' ,\n')}}`,
  },
]

/** A piece of an answer that does not belong there. */
const garbage = fc.oneof(
  fc
    .constantFrom('\n', '\r', '\n\n', '"', '\\', '{', '}', ']', ',', 'data: ', '\u0000', '\ufeff', 'é')
    .map(text => Buffer.from(text)),
  fc.uint8Array({ maxLength: 4 }),
)
const cuts = fc.oneof(
  fc.array(fc.nat(4_000), { maxLength: 30 }),
  fc.constant(Array.from({ length: 4_000 }, (_unused, at) => at)),
)

/** Any answer: whole, cut short, with errors, with bytes put in or taken out. */
function anyAnswer(wire: Wire): fc.Arbitrary<Uint8Array> {
  const frame = fc.constantFrom(...wire.parts, ...wire.parts, wire.before, wire.last, wire.last, ...wire.errors)
  const edit = fc.tuple(fc.nat(), fc.nat(3), garbage)
  return fc
    .tuple(fc.array(frame, { maxLength: 8 }), fc.boolean(), fc.array(edit, { maxLength: 2 }), fc.nat(), fc.boolean())
    .map(([frames, isFinished, edits, length, isCut]) => {
      const all = isFinished ? [...frames, wire.before, wire.last] : frames
      let bytes: Uint8Array = Buffer.from(wire.join(all.filter(text => text !== '')))
      for (const [place, removed, added] of edits) {
        const at = place % (bytes.length + 1)
        bytes = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)])
      }
      return isCut ? bytes.subarray(0, length % (bytes.length + 1)) : bytes
    })
}

// ── What is said of them ────────────────────────────────────────────────────────────────────────────────────────────

interface Said {
  verdict: string
  report: Report
  terminalAtBytes: number | undefined
  heldFromBytes: number | undefined
  /** What a reader got before the end. */
  releasedBytes: number
}

function watch(watcher: AnswerWatcher, pieces: readonly Uint8Array[], clean: boolean): Said {
  let lengthBytes = 0
  let releasedBytes = 0
  for (const piece of pieces) {
    watcher.write(piece)
    lengthBytes += piece.length
    const heldFromBytes = watcher.heldFromBytes ?? Number.POSITIVE_INFINITY
    if (heldFromBytes < releasedBytes) throw new Error(`what was let go (${releasedBytes}) cannot be held any more`)
    releasedBytes = Math.min(heldFromBytes, lengthBytes)
  }
  const { terminalAtBytes, heldFromBytes } = watcher
  const verdict = watcher.end(clean).kind
  return { verdict, report: watcher.report, terminalAtBytes, heldFromBytes, releasedBytes }
}

/** Any split says what the whole says, and lets go no more than the whole does. */
function splitsSay(wire: Wire, open: (head: AnswerHead) => AnswerWatcher, seen: Set<string>) {
  return fc.property(anyAnswer(wire), cuts, fc.boolean(), (bytes, places, clean) => {
    const whole = watch(open(wire.head), [bytes], clean)
    const split = watch(open(wire.head), splitAt(bytes, places), clean)
    seen.add(whole.verdict)
    expect({ ...split, releasedBytes: 0 }).toEqual({ ...whole, releasedBytes: 0 })
    expect(split.releasedBytes).toBe(whole.releasedBytes)
  })
}

/** Looks at each chunk by itself, as it comes: what not to do. */
function watchNaively(): AnswerWatcher {
  let lengthBytes = 0
  let terminalAtBytes: number | undefined
  let isFailed = false
  return {
    write(bytes) {
      const text = Buffer.from(bytes).toString()
      const found = /\[DONE\]|message_stop"|response.completed"|finishReason|"done":true|"model": "m-2"/.exec(text)
      if (found !== null) terminalAtBytes ??= lengthBytes + found.index
      if (text.includes('error')) isFailed = true
      lengthBytes += bytes.length
    },
    get terminalAtBytes() {
      return terminalAtBytes
    },
    isOver: false,
    heldFromBytes: undefined,
    report: { model: undefined, usage: undefined },
    end: () => (isFailed ? { kind: 'error', reason: '' } : { kind: 'complete' }),
  }
}

describe.each(wires)('$name', wire => {
  test('says of any answer, however it is split, what it says of the whole', () => {
    const seen = new Set<string>()
    fc.assert(splitsSay(wire, selectWatcher, seen), parameters(1_500))
    expect([...seen].sort()).toEqual(['complete', 'error', 'incomplete'])
  })

  test('control: a watcher that looks at chunks one by one does not', () => {
    expect(fc.check(splitsSay(wire, watchNaively, new Set()), parameters(1_500)).failed).toBe(true)
  })

  test('takes a whole answer for whole, and lets nothing of its last frame go before its end', () => {
    const frames = fc.array(fc.constantFrom(...wire.parts), { maxLength: 8 })
    // Fields may stand before their event: then they are the beginning of it.
    const isNoField = (list: string[]): boolean => list.at(-1) !== 'id: 7\nretry: 5\n'
    fc.assert(
      fc.property(frames.filter(isNoField), cuts, (list, places) => {
        const all = [...list, wire.before, wire.last].filter(text => text !== '')
        const bytes = Buffer.from(wire.join(all))
        const lastAtBytes = bytes.lastIndexOf(wire.last)
        const said = watch(selectWatcher(wire.head), splitAt(bytes, places), true)
        expect(said.verdict).toBe('complete')
        expect(said.terminalAtBytes).toBe(wire.isTerminal ? lastAtBytes : undefined)
        if (wire.head.mediaType !== 'application/json' || wire.head.path.includes(':stream')) {
          expect([said.heldFromBytes, said.releasedBytes]).toEqual([lastAtBytes, lastAtBytes])
        }
      }),
      parameters(500),
    )
  })
})
