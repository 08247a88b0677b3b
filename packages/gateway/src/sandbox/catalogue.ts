import type { Endpoint } from './endpoint.ts'
import { anthropicMessagesEndpoint } from './endpoints/anthropic.ts'
import { appMessagesEndpoint } from './endpoints/app-messages.ts'
import { effectEndpoint } from './endpoints/effects.ts'
import { geminiGenerateEndpoint, geminiStreamEndpoint } from './endpoints/gemini.ts'
import { ollamaChatEndpoint, ollamaGenerateEndpoint } from './endpoints/ollama.ts'
import { openaiChatEndpoint } from './endpoints/openai-chat.ts'
import { openaiEmbeddingsEndpoint } from './endpoints/openai-embeddings.ts'
import { openaiResponsesEndpoint } from './endpoints/openai-responses.ts'
import { openaiTranscriptionsEndpoint } from './endpoints/openai-transcriptions.ts'
import { FAULT_LINES } from './faults.ts'

/** Everything that can be called for work. */
const ENDPOINTS: readonly Endpoint[] = [
  openaiChatEndpoint,
  openaiResponsesEndpoint,
  openaiEmbeddingsEndpoint,
  openaiTranscriptionsEndpoint,
  anthropicMessagesEndpoint,
  geminiGenerateEndpoint,
  geminiStreamEndpoint,
  ollamaChatEndpoint,
  ollamaGenerateEndpoint,
  appMessagesEndpoint,
  effectEndpoint,
]

/** One line for each endpoint, the meter's included, for readers. */
export const ENDPOINT_LINES: readonly string[] = [
  ...ENDPOINTS.map(endpoint => `${endpoint.title}: ${endpoint.about}`),
  'GET /meter: what was received, run and spent, in all and by Idempotency-Key; ?key=K for one key',
  'DELETE /meter: back to zero',
  'GET /: this page',
]

/** An endpoint and the name in its path. */
export interface Match {
  readonly endpoint: Endpoint
  readonly name: string
}

/** The endpoint that `path` (without its query) names. */
export function findEndpoint(path: string): Match | undefined {
  for (const endpoint of ENDPOINTS) {
    const match = endpoint.path.exec(path)
    if (match === null) continue
    const name = decodeName(match[1] ?? '')
    return name === undefined ? undefined : { endpoint, name }
  }
  return undefined
}

/** The page at `GET /`. */
export function guideText(): string {
  return `Retrysafe sandbox: a metered, fake AI provider with faults on demand. It answers with canned words, costs nothing
and needs no API key. A token is a word; the price is made up: 0.01 USD per 1,000 in, 0.03 USD per 1,000 out.

Endpoints
${indent(ENDPOINT_LINES)}

Each answers "Run N: you said: ..." with the last thing its user said. OpenAI chat and Anthropic, given tools, ask for
the tool NAME when the user says: call NAME {"some": "arguments"}. Keys are counted, and honoured with --idempotent.

Faults: a header, Sandbox-Fault: delay=2s, status=500, times=1. Without the header those of --fault apply, if any; an
empty header makes a call healthy. Each is counted on the meter before it strikes.
${indent(FAULT_LINES)}
`
}

function indent(lines: readonly string[]): string {
  return lines.map(line => `  ${line}`).join('\n')
}

function decodeName(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}
