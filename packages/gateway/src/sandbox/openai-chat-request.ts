import { isRecord, parseJsonObject } from './body.ts'
import { countWords } from './words.ts'

/** What the sandbox needs to know of an OpenAI chat request. */
export interface ChatRequest {
  readonly model: string
  /** The text of the last user message; of the last message where no user speaks. */
  readonly said: string
  readonly promptTokens: number
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly choices: number
  readonly maxWords: number
}

export type ChatReading =
  | { readonly kind: 'valid'; readonly request: ChatRequest }
  | { readonly kind: 'invalid'; readonly message: string; readonly param?: string }

interface Message {
  readonly role: string
  readonly text: string
}

/** OpenAI's own limit on `n`. */
const MAX_CHOICES = 128
const MAX_MODEL_CHARACTERS = 255

type Fields = Readonly<Record<string, unknown>>

/** Reads a chat request as strictly as OpenAI where a mistake would change the answer, and no further. */
export function readChatRequest(body: Buffer): ChatReading {
  const fields = parseJsonObject(body)
  if (fields === undefined) return { kind: 'invalid', message: 'The body of the request is not a JSON object.' }
  const messages = readMessages(fields['messages'])
  if (typeof messages === 'string') return { kind: 'invalid', message: messages, param: 'messages' }
  const model = fields['model'] ?? 'sandbox-model'
  if (typeof model !== 'string') return invalid('model', 'a string')
  const choices = readCount(fields['n'], 1)
  if (choices === undefined || choices > MAX_CHOICES) return invalid('n', `a whole number from 1 to ${MAX_CHOICES}`)
  const limit = fields['max_completion_tokens'] == null ? 'max_tokens' : 'max_completion_tokens'
  const maxWords = readCount(fields[limit], Number.POSITIVE_INFINITY)
  if (maxWords === undefined) return invalid(limit, 'a whole number from 1')
  return {
    kind: 'valid',
    request: {
      model: model.slice(0, MAX_MODEL_CHARACTERS),
      said: (messages.findLast(message => message.role === 'user') ?? messages.at(-1))?.text ?? '',
      promptTokens: messages.reduce((sum, message) => sum + countWords(message.text), 0),
      ...readStream(fields),
      choices,
      maxWords,
    },
  }
}

function readStream(fields: Fields): Pick<ChatRequest, 'stream' | 'includeUsage'> {
  const options = fields['stream_options']
  return {
    stream: fields['stream'] === true,
    includeUsage: isRecord(options) && options['include_usage'] === true,
  }
}

/** The messages, or a sentence that says what is wrong with them. */
function readMessages(value: unknown): readonly Message[] | string {
  if (!Array.isArray(value) || value.length === 0) return "'messages' is required: a list with at least one message."
  const messages: Message[] = []
  for (const item of value as readonly unknown[]) {
    const text = isRecord(item) ? textOf(item['content']) : undefined
    if (!isRecord(item) || typeof item['role'] !== 'string' || text === undefined) {
      return `'messages[${messages.length}]' must have a string 'role' and a 'content' that is a string or a list of parts.`
    }
    messages.push({ role: item['role'], text })
  }
  return messages
}

/** Content is a string, absent beside tool calls, or a list of parts, of which the sandbox reads the text ones. */
function textOf(content: unknown): string | undefined {
  if (content === null || content === undefined) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return undefined
  const parts = (content as readonly unknown[]).map(part => (isRecord(part) ? part['text'] : undefined))
  return parts.filter(text => typeof text === 'string').join('\n')
}

/** A whole number from 1; `absent` where the member is missing or null; undefined for all else. */
function readCount(value: unknown, absent: number): number | undefined {
  if (value === undefined || value === null) return absent
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : undefined
}

function invalid(param: string, wanted: string): ChatReading {
  return { kind: 'invalid', message: `'${param}' must be ${wanted}.`, param }
}
