import { parseJsonObject } from '../body.ts'
import { countWords } from '../words.ts'
import {
  invalid,
  notAnObject,
  type Prompt,
  type Reading,
  readCount,
  readMessages,
  readModel,
  saidIn,
  textOf,
} from './prompt.ts'
import { toolCallIn } from './tool-call.ts'

/** Reads a Messages request as strictly as Anthropic where a mistake would change the answer, and no further. */
export function readMessagesRequest(body: Buffer): Reading<Prompt> {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const messages = readMessages(fields['messages'])
  if (typeof messages === 'string') return { kind: 'invalid', message: messages }
  const system = textOf(fields['system'])
  if (system === undefined) return invalid('system', 'a string or a list of parts')
  const model = readModel(fields['model'])
  if (model === undefined) return invalid('model', 'a string')
  if (fields['max_tokens'] == null) return { kind: 'invalid', message: 'max_tokens: Field required' }
  const maxWords = readCount(fields['max_tokens'], 1)
  if (maxWords === undefined) return invalid('max_tokens', 'a whole number from 1')
  const inputTokens = messages.reduce((sum, message) => sum + countWords(message.text), countWords(system))
  const stream = fields['stream'] === true
  const toolCall = toolCallIn(fields['tools'], messages)
  const prompt = { model, said: saidIn(messages), inputTokens, maxWords, choices: 1, stream, toolCall }
  return { kind: 'valid', prompt }
}
