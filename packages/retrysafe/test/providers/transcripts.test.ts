import { describe, expect, it } from 'vitest'
import { anthropicTranscripts } from './anthropic-transcripts.ts'
import { geminiTranscripts } from './gemini-transcripts.ts'
import { ollamaTranscripts } from './ollama-transcripts.ts'
import { openAiAudioTranscripts } from './openai-audio-transcripts.ts'
import { openAiChatTranscripts } from './openai-chat-transcripts.ts'
import { openAiResponsesTranscripts } from './openai-responses-transcripts.ts'
import { expectedOf, type Transcript, watchBytes, watchText } from './watching.ts'

const apis: [string, readonly Transcript[]][] = [
  ['OpenAI chat, completions, embeddings', openAiChatTranscripts],
  ['OpenAI Responses', openAiResponsesTranscripts],
  ['OpenAI audio', openAiAudioTranscripts],
  ['Anthropic', anthropicTranscripts],
  ['Gemini', geminiTranscripts],
  ['Ollama', ollamaTranscripts],
]

describe.each(apis)('%s', (_, transcripts) => {
  it.each(transcripts.map(each => [each.name, each] as const))('%s', (_name, transcript) => {
    const { head, text, cut, verdict } = transcript
    const expected = expectedOf(transcript)
    expect(watchText(head, text)).toEqual(expected)
    expect(watchBytes(head, text)).toEqual(expected)
    expect(watchText(head, text, false).verdict).toBe(cut ?? verdict)
    // Decoders drop a byte order mark; it moves the terminal frame by its three bytes.
    const { terminalAtBytes } = expected
    const moved = terminalAtBytes === undefined ? undefined : terminalAtBytes + 3
    expect(watchText(head, `\uFEFF${text}`)).toEqual({ ...expected, terminalAtBytes: moved })
  })
})
