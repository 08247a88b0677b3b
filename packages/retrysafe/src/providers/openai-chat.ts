import { isObject, parseJson, saysError } from './json.ts'
import { SseScanner } from './sse.ts'
import type { AnswerWatcher, Verdict } from './watcher.ts'

/**
 * A chat completion stream: `data:` chunks, complete at `[DONE]` after a `finish_reason`. An error may come inside the
 * 200, as `data: {"error": …}` or as an event of that name.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function watchOpenAiChatStream(): AnswerWatcher {
  let finished = false
  let failure: string | undefined
  let terminalAtBytes: number | undefined
  const scanner = new SseScanner(event => {
    if (event.data === '[DONE]') {
      if (finished && failure === undefined) terminalAtBytes ??= event.atBytes
    } else if (event.name === 'error') failure ??= 'an error event inside the stream'
    else if (mayMatter(event.data)) {
      const chunk = parseJson(event.data)
      if (saysError(chunk)) failure ??= 'an error inside the stream'
      if (hasFinishReason(chunk)) finished = true
    }
  })
  return {
    write: bytes => scanner.write(bytes),
    get terminalAtBytes() {
      return terminalAtBytes
    },
    get heldFromBytes() {
      if (terminalAtBytes !== undefined) return terminalAtBytes
      const { unfinished } = scanner
      return unfinished !== undefined && mayBeDone(unfinished.text) ? unfinished.atBytes : undefined
    },
    end(clean): Verdict {
      // Cut in the middle of the last line it may look whole and not be: only a clean end vouches for it.
      if (clean) scanner.end()
      if (failure !== undefined) return { kind: 'error', reason: failure }
      if (terminalAtBytes !== undefined) return { kind: 'complete' }
      return {
        kind: 'incomplete',
        reason: finished ? 'the stream ended before [DONE]' : 'the stream has no finish_reason',
      }
    },
  }
}

/** What has come of an event may be `data: [DONE]`, or become it. */
function mayBeDone(text: string): boolean {
  return ['data: [DONE]\n', 'data:[DONE]\n'].some(frame => frame.startsWith(text))
}

/** Parsing every chunk would cost more than all else; inside a JSON string these names stand with escaped quotes. */
function mayMatter(data: string): boolean {
  return /"finish_reason"\s*:\s*"/.test(data) || data.includes('"error"')
}

function hasFinishReason(value: unknown): boolean {
  const choices = isObject(value) ? value['choices'] : undefined
  return (
    Array.isArray(choices) && choices.some(choice => isObject(choice) && typeof choice['finish_reason'] === 'string')
  )
}
