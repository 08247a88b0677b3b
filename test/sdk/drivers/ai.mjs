/** How the Vercel AI SDK is called, with the providers that it has for OpenAI and Anthropic. */
export const packages = ['ai', '@ai-sdk/openai', '@ai-sdk/anthropic']

// It has a default for the length of an answer, and warns at each call.
globalThis.AI_SDK_LOG_WARNINGS = false

export async function open(load) {
  const { experimental_transcribe: transcribe, generateText, streamText } = await load('ai')
  const { createOpenAI } = await load('@ai-sdk/openai')
  const { createAnthropic } = await load('@ai-sdk/anthropic')
  const settings = ({ url, fetch }) => ({ baseURL: `${url}/v1`, apiKey: 'sk-test', fetch })
  const apiOf = modelFor => {
    const callOf = terms => ({
      model: modelFor(settings(terms)),
      prompt: terms.text,
      headers: terms.headers,
      maxRetries: terms.retries,
      ...(terms.timeoutMs && { timeout: terms.timeoutMs }),
    })
    return {
      plain: async terms => (await generateText(callOf(terms))).text,
      async *stream(terms) {
        // It tells errors as parts of its stream, and otherwise prints them.
        for await (const part of streamText({ ...callOf(terms), onError() {} }).fullStream) {
          if (part.type === 'text-delta') yield part.text
          if (part.type === 'error') throw part.error
        }
      },
    }
  }
  return {
    'openai chat': apiOf(terms => createOpenAI(terms).chat('sandbox-model')),
    'openai responses': apiOf(terms => createOpenAI(terms).responses('sandbox-model')),
    'anthropic messages': apiOf(terms => createAnthropic(terms)('sandbox-model')),
    'openai transcriptions': {
      async plain(terms) {
        const model = createOpenAI(settings(terms)).transcription('sandbox-model')
        const { headers, retries: maxRetries } = terms
        return (await transcribe({ model, audio: Buffer.from(terms.text), headers, maxRetries })).text
      },
    },
  }
}
