/** How `@google/genai` is called. */
export const packages = ['@google/genai']

export async function open(load) {
  const { GoogleGenAI } = await load('@google/genai')
  const modelsFor = ({ url, headers, retries, timeoutMs, retryStatuses }) => {
    // It retries only when it is told to.
    const retryOptions = retries > 0 && { attempts: retries + 1, initialDelay: 0.5, httpStatusCodes: retryStatuses }
    const httpOptions = { baseUrl: url, headers, timeout: timeoutMs, ...(retryOptions && { retryOptions }) }
    return new GoogleGenAI({ apiKey: 'sk-test', httpOptions }).models
  }
  return {
    models: {
      async plain(terms) {
        return (await modelsFor(terms).generateContent(contentOf(terms))).text
      },
      async *stream(terms) {
        for await (const chunk of await modelsFor(terms).generateContentStream(contentOf(terms))) yield chunk.text ?? ''
      },
    },
  }
}

const contentOf = ({ text }) => ({ model: 'sandbox-model', contents: text })
