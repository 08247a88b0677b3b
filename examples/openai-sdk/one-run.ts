// The OpenAI SDK behind the gateway: one key, one run, whatever retries.
import OpenAI from 'openai'

/**
 * Asks twice under one key, as a retry after a lost connection would.
 *
 * @param gateway its URL, such as http://127.0.0.1:8787
 * @returns the two answers' ids: the same
 */
export async function askTwice(gateway: string, apiKey: string): Promise<[string, string]> {
  const openai = new OpenAI({ baseURL: `${gateway}/v1`, apiKey })
  const question = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] } as const
  // The header, not the SDK's idempotencyKey option: that one is dropped silently.
  const once = { headers: { 'Idempotency-Key': 'order-42' } }
  const first = await openai.chat.completions.create({ ...question, messages: [...question.messages] }, once)
  const retry = await openai.chat.completions.create({ ...question, messages: [...question.messages] }, once)
  return [first.id, retry.id]
}
