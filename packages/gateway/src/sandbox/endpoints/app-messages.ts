import { jsonAnswer } from '../answer.ts'
import { parseJsonObject } from '../body.ts'
import type { Endpoint } from '../endpoint.ts'
import { openaiErrors } from '../error-format.ts'
import { countWords, replyTo } from '../words.ts'

/** The endpoint of an app that has an AI behind it: a prompt in, a reply out, no provider's format. */
export const appMessagesEndpoint: Endpoint = {
  title: 'POST /api/messages',
  about: 'an app\'s own endpoint: {"prompt": "..."} in, or any text; {"id", "run", "reply"} out',
  path: /^\/api\/messages$/,
  errors: openaiErrors,
  work: ({ body }, next) => {
    const prompt = promptIn(body)
    const reply = replyTo(prompt, next.run)
    return {
      kind: 'ran',
      usage: { inputTokens: countWords(prompt), outputTokens: reply.words.length },
      answer: jsonAnswer(200, { id: `msg-${next.run}`, run: next.run, reply: reply.words.join('') }),
    }
  },
}

/** A body without a `prompt` is itself the prompt: the endpoint refuses nothing. */
function promptIn(body: Buffer): string {
  const prompt = parseJsonObject(body)?.['prompt']
  return typeof prompt === 'string' ? prompt : body.toString('utf8')
}
