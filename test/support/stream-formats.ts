import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import type { Fetch } from 'retrysafe/client'

type Ask = (says: string, headers: Readonly<Record<string, string>>) => Promise<string>

/** A stream of one wire format, as its user reads it. */
export interface StreamFormat {
  readonly name: string
  /** So many words that the answer has 2 KiB on the wire, its head included; OpenAI Responses has 5 at least. */
  readonly says: string
  /** More than the longest answer. */
  readonly mostBytes: number
  /** Opens a client, without retries of its own; each call gives what was read of one answer. */
  open(url: string, fetch: Fetch): Ask
  /** The text in what was read; `undefined`: its end is missing. */
  textIn(read: string): string | undefined
}

export const formats: readonly StreamFormat[] = [
  {
    name: 'OpenAI chat',
    says: 'hello',
    mostBytes: 2_300,
    textIn: read => read,
    open(url, fetch) {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-test', maxRetries: 0, fetch })
      return async (says, headers) => {
        const body = {
          model: 'sandbox-model',
          messages: [{ role: 'user' as const, content: says }],
          stream: true as const,
        }
        let text = ''
        for await (const chunk of await client.chat.completions.create(body, { headers }))
          text += chunk.choices[0]?.delta.content ?? ''
        return text
      }
    },
  },
  {
    name: 'OpenAI Responses',
    says: 'hello',
    mostBytes: 5_200,
    textIn: read => read,
    open(url, fetch) {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-test', maxRetries: 0, fetch })
      return async (says, headers) => {
        const body = { model: 'sandbox-model', input: says, stream: true as const }
        let text = ''
        for await (const event of await client.responses.create(body, { headers }))
          if (event.type === 'response.output_text.delta') text += event.delta
        return text
      }
    },
  },
  {
    name: 'Anthropic',
    says: 'hello dear world',
    mostBytes: 2_300,
    textIn: read => read,
    open(url, fetch) {
      const client = new Anthropic({ baseURL: url, apiKey: 'sk-test', maxRetries: 0, fetch })
      return async (says, headers) => {
        const messages = [{ role: 'user' as const, content: says }]
        const body = { model: 'sandbox-model', max_tokens: 1_000, messages, stream: true as const }
        let text = ''
        for await (const event of await client.messages.create(body, { headers }))
          if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text
        return text
      }
    },
  },
  {
    name: 'Gemini',
    says: 'hello world',
    mostBytes: 2_300,
    // @google/genai takes no fetch.
    ...plainly({
      path: '/v1beta/models/sandbox-model:streamGenerateContent?alt=sse',
      bodyOf: says => ({ contents: [{ role: 'user', parts: [{ text: says }] }] }),
      frame: /^data: .*"parts":\[\{"text":"([^"]*)"/gm,
      end: /"finishReason":"STOP".*\r\n\r\n$/,
    }),
  },
  {
    name: 'Ollama',
    says: 'hello to all of the whole wide world',
    mostBytes: 2_300,
    ...plainly({
      path: '/api/chat',
      bodyOf: says => ({ model: 'sandbox-model', messages: [{ role: 'user', content: says }] }),
      frame: /"content":"([^"]*)"/g,
      end: /"done":true.*\n$/,
    }),
  },
]

interface Plain {
  readonly path: string
  readonly bodyOf: (says: string) => object
  /** Finds the text of each frame. */
  readonly frame: RegExp
  /** What the last bytes are. */
  readonly end: RegExp
}

/** Without an SDK: what is read is the bytes. */
function plainly({ path, bodyOf, frame, end }: Plain): Pick<StreamFormat, 'open' | 'textIn'> {
  return {
    open: (url, fetch) => async (says, headers) => {
      const all = { 'Content-Type': 'application/json', Authorization: 'Bearer sk-test', ...headers }
      const response = await fetch(url + path, { method: 'POST', body: JSON.stringify(bodyOf(says)), headers: all })
      return response.text()
    },
    textIn: read => (end.test(read) ? Array.from(read.matchAll(frame), ([, text]) => text).join('') : undefined),
  }
}
