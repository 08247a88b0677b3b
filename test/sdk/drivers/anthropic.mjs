/** How `@anthropic-ai/sdk` is called. */
export const packages = ['@anthropic-ai/sdk']

export async function open(load) {
  const { default: Anthropic } = await load('@anthropic-ai/sdk')
  const clientFor = ({ url, retries, timeoutMs, fetch }) =>
    new Anthropic({ baseURL: url, apiKey: 'sk-test', maxRetries: retries, timeout: timeoutMs, fetch })
  return {
    messages: {
      async plain(terms) {
        const answer = await clientFor(terms).messages.create(messageOf(terms), { headers: terms.headers })
        return answer.content[0].text
      },
      async *stream(terms) {
        const body = { ...messageOf(terms), stream: true }
        for await (const event of await clientFor(terms).messages.create(body, { headers: terms.headers })) {
          if (event.type === 'content_block_delta') yield event.delta.text
        }
      },
    },
  }
}

const messageOf = ({ text }) => ({
  model: 'sandbox-model',
  max_tokens: 1_000,
  messages: [{ role: 'user', content: text }],
})
