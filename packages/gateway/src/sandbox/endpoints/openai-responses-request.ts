import { isRecord, parseJsonObject } from '../body.ts'
import { countWords } from '../words.ts'
import {
  type Fields,
  invalid,
  type Message,
  notAnObject,
  type Prompt,
  type Reading,
  readCount,
  readModel,
  saidIn,
  textOf,
} from './prompt.ts'

/** What the sandbox needs to know of a Responses request. */
export interface ResponsesPrompt extends Prompt {
  readonly instructions: string | null
  readonly previousResponseId: string | null
  readonly metadata: Fields
}

/** Reads a Responses request as strictly as OpenAI where a mistake would change the answer, and no further. */
export function readResponsesRequest(body: Buffer): Reading<ResponsesPrompt> {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const messages = readInput(fields['input'])
  if (messages === undefined) return invalid('input', 'a string or a list of at least one item')
  const model = readModel(fields['model'])
  if (model === undefined) return invalid('model', 'a string')
  const maxWords = readCount(fields['max_output_tokens'], Number.POSITIVE_INFINITY)
  if (maxWords === undefined) return invalid('max_output_tokens', 'a whole number from 1')
  const instructions = stringOrNull(fields['instructions'])
  const counted = [{ text: instructions ?? '' }, ...messages]
  return {
    kind: 'valid',
    prompt: {
      model,
      said: saidIn(messages),
      inputTokens: counted.reduce((sum, { text }) => sum + countWords(text), 0),
      maxWords,
      choices: 1,
      stream: fields['stream'] === true,
      instructions,
      previousResponseId: stringOrNull(fields['previous_response_id']),
      metadata: isRecord(fields['metadata']) ? fields['metadata'] : {},
    },
  }
}

/** A string is one user message. Items that are no message, such as the output of a function, have words but no role. */
function readInput(input: unknown): readonly Message[] | undefined {
  if (typeof input === 'string') return [{ role: 'user', text: input }]
  if (!Array.isArray(input) || input.length === 0) return undefined
  const messages: Message[] = []
  for (const item of input as readonly unknown[]) {
    const text = isRecord(item) ? textOf(item['content'] ?? item['output']) : undefined
    if (!isRecord(item) || text === undefined) return undefined
    messages.push({ role: stringOrNull(item['role']) ?? '', text })
  }
  return messages
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
