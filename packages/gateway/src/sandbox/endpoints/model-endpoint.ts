import type { Answer } from '../answer.ts'
import type { Call, Endpoint } from '../endpoint.ts'
import { type ErrorFormat, errorAnswer } from '../error-format.ts'
import { type Reply, replyTo } from '../words.ts'
import type { Prompt, Reading } from './prompt.ts'

/** What one run says, ready for either form of the answer. */
export interface Completion<P extends Prompt = Prompt> {
  readonly run: number
  /** Wall clock. */
  readonly createdMs: number
  readonly prompt: P
  readonly reply: Reply
  readonly outputTokens: number
}

/** A provider's wire format for words in, words out. */
export interface ModelFormat<P extends Prompt> extends Pick<Endpoint, 'title' | 'about' | 'path' | 'takesForm'> {
  readonly errors: ErrorFormat
  read(call: Call): Reading<P>
  plain(completion: Completion<P>): Answer
  streamed(completion: Completion<P>): Answer
}

/** An endpoint that answers words with words: the run is named in the text, and wherever the format has an id. */
export function modelEndpoint<P extends Prompt>(format: ModelFormat<P>): Endpoint {
  const { read, plain, streamed, ...endpoint } = format
  return {
    ...endpoint,
    work: (call, next) => {
      const reading = read(call)
      if (reading.kind === 'invalid') {
        return { kind: 'rejected', answer: errorAnswer({ ...reading, status: 400 }, format.errors) }
      }
      const { prompt } = reading
      const reply = prompt.toolCall === undefined ? replyTo(prompt.said, next.run, prompt.maxWords) : callReply
      const outputTokens = reply.words.length * prompt.choices
      const completion = { run: next.run, createdMs: Date.now(), prompt, reply, outputTokens }
      return {
        kind: 'ran',
        usage: { inputTokens: prompt.inputTokens, outputTokens },
        answer: prompt.stream ? streamed(completion) : plain(completion),
      }
    },
  }
}

/** A tool call says nothing, and costs one word. */
const callReply: Reply = { words: [''], cut: false }

/** The whole text of a completion. */
export function textIn({ reply }: Completion): string {
  return reply.words.join('')
}
