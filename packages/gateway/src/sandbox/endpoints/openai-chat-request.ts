import { isRecord, parseJsonObject } from '../body.ts'
import { countWords } from '../words.ts'
import {
  type Fields,
  invalid,
  notAnObject,
  type Prompt,
  type Reading,
  readCount,
  readMessages,
  readModel,
  saidIn,
} from './prompt.ts'
import { toolCallIn } from './tool-call.ts'

/** What the sandbox needs to know of an OpenAI chat request. */
export interface ChatPrompt extends Prompt {
  readonly includeUsage: boolean
}

/** OpenAI's own limit on `n`. */
const MAX_CHOICES = 128

/** Reads a chat request as strictly as OpenAI where a mistake would change the answer, and no further. */
export function readChatRequest(body: Buffer): Reading<ChatPrompt> {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const messages = readMessages(fields['messages'])
  if (typeof messages === 'string') return { kind: 'invalid', message: messages, param: 'messages' }
  const model = readModel(fields['model'])
  if (model === undefined) return invalid('model', 'a string')
  const choices = readCount(fields['n'], 1)
  if (choices === undefined || choices > MAX_CHOICES) return invalid('n', `a whole number from 1 to ${MAX_CHOICES}`)
  const limit = fields['max_completion_tokens'] == null ? 'max_tokens' : 'max_completion_tokens'
  const maxWords = readCount(fields[limit], Number.POSITIVE_INFINITY)
  if (maxWords === undefined) return invalid(limit, 'a whole number from 1')
  const inputTokens = messages.reduce((sum, message) => sum + countWords(message.text), 0)
  const toolCall = toolCallIn(fields['tools'], messages)
  const prompt = { model, said: saidIn(messages), inputTokens, ...readStream(fields), choices, maxWords, toolCall }
  return { kind: 'valid', prompt }
}

function readStream(fields: Fields): Pick<ChatPrompt, 'stream' | 'includeUsage'> {
  const options = fields['stream_options']
  return {
    stream: fields['stream'] === true,
    includeUsage: isRecord(options) && options['include_usage'] === true,
  }
}
