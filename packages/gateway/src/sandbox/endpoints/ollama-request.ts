import { isRecord, parseJsonObject } from '../body.ts'
import { countWords } from '../words.ts'
import {
  type Fields,
  invalid,
  type Message,
  notAnObject,
  type Prompt,
  type Reading,
  readMessages,
  readModel,
  saidIn,
} from './prompt.ts'

/** Reads a chat request of Ollama as strictly as it does where a mistake would change the answer, and no further. */
export function readOllamaChatRequest(body: Buffer): Reading<Prompt> {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const messages = readMessages(fields['messages'])
  if (typeof messages === 'string') return { kind: 'invalid', message: messages }
  return readRest(fields, messages)
}

/** Reads a generate request: a prompt and, beside it, a system message. */
export function readOllamaGenerateRequest(body: Buffer): Reading<Prompt> {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const { prompt = '', system = '' } = fields
  if (typeof prompt !== 'string') return invalid('prompt', 'a string')
  if (typeof system !== 'string') return invalid('system', 'a string')
  return readRest(fields, [
    { role: 'system', text: system },
    { role: 'user', text: prompt },
  ])
}

function readRest(fields: Fields, messages: readonly Message[]): Reading<Prompt> {
  if (fields['model'] == null) return { kind: 'invalid', message: 'model is required' }
  const model = readModel(fields['model'])
  if (model === undefined) return invalid('model', 'a string')
  const maxWords = readLimit(fields['options'])
  if (maxWords === undefined) return invalid('num_predict', 'a whole number')
  const inputTokens = messages.reduce((sum, message) => sum + countWords(message.text), 0)
  // Unlike every other provider Ollama streams unless it is told not to.
  const stream = fields['stream'] !== false
  return { kind: 'valid', prompt: { model, said: saidIn(messages), inputTokens, maxWords, choices: 1, stream } }
}

/** Of `num_predict` -1 is no limit and -2 is as much as the context holds. */
function readLimit(options: unknown): number | undefined {
  const limit = isRecord(options) ? (options['num_predict'] ?? -1) : -1
  if (typeof limit !== 'number' || !Number.isSafeInteger(limit)) return undefined
  return limit > 0 ? limit : Number.POSITIVE_INFINITY
}
