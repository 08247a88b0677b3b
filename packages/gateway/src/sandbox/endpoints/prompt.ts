import { isRecord } from '../body.ts'

/** What the sandbox needs to know of a request for words, whoever's format it came in. */
export interface Prompt {
  readonly model: string
  /** What is answered: the text of the last user message; of the last message where no user speaks. */
  readonly said: string
  readonly inputTokens: number
  readonly maxWords: number
  /** How many times the answer is given, and paid. */
  readonly choices: number
  readonly stream: boolean
  /** What is asked for in place of words; only where the format has tools. */
  readonly toolCall?: ToolCall | undefined
}

/** What a model asks its caller to do. */
export interface ToolCall {
  readonly name: string
  /** A JSON object. */
  readonly argumentsText: string
}

export type Reading<P extends Prompt> =
  | { readonly kind: 'valid'; readonly prompt: P }
  | { readonly kind: 'invalid'; readonly message: string; readonly param?: string }

/** The members of a JSON object. */
export type Fields = Readonly<Record<string, unknown>>

/** One message of a conversation, as far as it is words. */
export interface Message {
  readonly role: string
  readonly text: string
}

const MAX_MODEL_CHARACTERS = 255

/** The model as it is echoed; undefined where it is no string. Whoever names none gets `sandbox-model`. */
export function readModel(value: unknown): string | undefined {
  const model = value ?? 'sandbox-model'
  return typeof model === 'string' ? model.slice(0, MAX_MODEL_CHARACTERS) : undefined
}

/** A whole number from 1; `absent` where the member is missing or null; undefined for all else. */
export function readCount(value: unknown, absent: number): number | undefined {
  if (value === undefined || value === null) return absent
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : undefined
}

/** The words of `content`: a string, absent (''), or a list of parts; undefined for all else. */
export function textOf(content: unknown): string | undefined {
  if (content === null || content === undefined) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return undefined
  return (content as readonly unknown[])
    .map(partText)
    .filter(text => text !== undefined)
    .join('\n')
}

/** A part is words by its `text`, or by a `content` of its own as the result of a tool is; an image is none. */
function partText(part: unknown): string | undefined {
  if (!isRecord(part)) return undefined
  if (typeof part['text'] === 'string') return part['text']
  return part['content'] === undefined ? undefined : textOf(part['content'])
}

/** The messages, or a sentence that says what is wrong with them. */
export function readMessages(value: unknown): readonly Message[] | string {
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

/** What is answered, see `Prompt.said`. */
export function saidIn(messages: readonly Message[]): string {
  return (messages.findLast(message => message.role === 'user') ?? messages.at(-1))?.text ?? ''
}

/** A request that was not understood: `'param' must be wanted.` */
export function invalid(
  param: string,
  wanted: string,
): { readonly kind: 'invalid'; readonly message: string; readonly param: string } {
  return { kind: 'invalid', message: `'${param}' must be ${wanted}.`, param }
}

/** A body that is no JSON object. */
export const notAnObject: { readonly kind: 'invalid'; readonly message: string } = {
  kind: 'invalid',
  message: 'The body of the request is not a JSON object.',
}
