import { watchGeneric } from './generic.ts'
import { watchJsonBody } from './json-body.ts'
import { watchOpenAiChatStream } from './openai-chat.ts'
import type { AnswerHead, AnswerWatcher } from './watcher.ts'

/**
 * Chooses who watches an answer, by the request's path and the answer's media type.
 *
 * @example
 * selectWatcher({ path: '/v1/chat/completions', mediaType: 'text/event-stream' })
 */
export function selectWatcher(head: AnswerHead): AnswerWatcher {
  if (head.path.endsWith('/chat/completions')) {
    // Whatever it says it is: an answer that is neither a chat completion nor a stream of one is no success.
    return head.mediaType === 'application/json' ? watchJsonBody() : watchOpenAiChatStream()
  }
  return watchGeneric()
}

/**
 * Whether an answer without a length is to be delivered while it runs. JSON may be a plain answer that came in chunks.
 */
export function isStream({ path, mediaType }: AnswerHead): boolean {
  if (path.endsWith(':streamGenerateContent')) return true
  return mediaType !== 'application/json' && !mediaType.endsWith('+json')
}
