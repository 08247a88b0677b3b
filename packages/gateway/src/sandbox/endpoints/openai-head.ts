/** The header by which OpenAI, and its SDK, name a request. */
export function openaiRequestId(run: number): Readonly<Record<string, string>> {
  return { 'x-request-id': `req-sandbox-${run}` }
}
