// A nightly job that may be killed at any moment: started again, it goes on where it was, and pays once for each review.
import OpenAI from 'openai'
import { createRetrysafe } from 'retrysafe'
import { runBatch } from 'retrysafe/batch'

/** One review to be judged. */
export interface Review {
  readonly customId: string
  readonly text: string
}

/** Where the model is, and where outcomes are kept until all are there. */
export interface Place {
  /** A gateway: what it was sent is recorded, also when this process is gone before the answer comes. */
  readonly url: string
  readonly apiKey: string
  /** Such as `lmdb:./retrysafe-data`. */
  readonly store: string
}

/**
 * Has every review judged, a few at a time.
 *
 * @param night names the batch, such as `reviews-2026-11-23`: the same again, and what was judged is not paid again
 * @returns what the model said of each, by its id
 * @throws {Error} naming the reviews that could not be judged; run again, they alone are tried
 */
export async function judgeReviews(
  reviews: Iterable<Review>,
  night: string,
  place: Place,
): Promise<Map<string, string>> {
  const safe = createRetrysafe({ store: place.store })
  // Whether and when to try again is the batch's to say.
  const openai = new OpenAI({ baseURL: `${place.url}/v1`, apiKey: place.apiKey, maxRetries: 0 })
  const judged = new Map<string, string>()
  const failed: string[] = []
  try {
    const results = runBatch(reviews, {
      batchId: night,
      safe,
      concurrency: 3,
      order: 'input',
      honoursKeys: true,
      async send({ text }, { idempotencyKey, signal }) {
        const messages = [{ role: 'user' as const, content: `Is this a complaint? ${text}` }]
        const once = { signal, headers: { 'Idempotency-Key': idempotencyKey } }
        const answer = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages }, once)
        return answer.choices[0]?.message.content ?? ''
      },
    })
    for await (const result of results) {
      if (result.kind === 'done') judged.set(result.item.customId, result.value)
      else failed.push(`${result.item.customId}: ${result.error}`)
    }
  } finally {
    await safe.close()
  }
  if (failed.length > 0) throw new Error(`not judged, run me again: ${failed.join('; ')}`)
  return judged
}
