/** How the `openai` SDK is called. */
export const packages = ['openai']

export async function open(load) {
  const { default: OpenAI, toFile } = await load('openai')
  const clientFor = ({ url, retries, timeoutMs, idempotencyHeader, fetch }) => {
    const settings = { baseURL: `${url}/v1`, apiKey: 'sk-test', maxRetries: retries, timeout: timeoutMs }
    const client = new OpenAI({ ...settings, fetch })
    if (idempotencyHeader) client.idempotencyHeader = idempotencyHeader
    return client
  }
  const optionsOf = ({ headers, idempotencyKey }) => ({ headers, ...(idempotencyKey && { idempotencyKey }) })
  return {
    chat: {
      async plain(terms) {
        const answer = await clientFor(terms).chat.completions.create(chatOf(terms), optionsOf(terms))
        return answer.choices[0].message.content
      },
      async *stream(terms) {
        const body = { ...chatOf(terms), stream: true }
        for await (const chunk of await clientFor(terms).chat.completions.create(body, optionsOf(terms))) {
          yield chunk.choices[0]?.delta.content ?? ''
        }
      },
    },
    responses: {
      async plain(terms) {
        const answer = await clientFor(terms).responses.create(responseOf(terms), optionsOf(terms))
        return answer.output_text
      },
      async *stream(terms) {
        const body = { ...responseOf(terms), stream: true }
        for await (const event of await clientFor(terms).responses.create(body, optionsOf(terms))) {
          if (event.type === 'response.output_text.delta') yield event.delta
        }
      },
    },
    transcriptions: {
      async plain(terms) {
        const file = await toFile(Buffer.from(terms.text), 'speech.wav', { type: 'audio/wav' })
        const body = { model: 'sandbox-model', file }
        const answer = await clientFor(terms).audio.transcriptions.create(body, optionsOf(terms))
        return answer.text
      },
    },
  }
}

const chatOf = ({ text }) => ({ model: 'sandbox-model', messages: [{ role: 'user', content: text }] })
const responseOf = ({ text }) => ({ model: 'sandbox-model', input: text })
