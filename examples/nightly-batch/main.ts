// With `npm start` running, and Node 22.18 or newer: node examples/nightly-batch/main.ts
// Kill it wherever you like and start it again: http://127.0.0.1:9090/meter counts one run for each review. The same
// without a program, from the file beside this one, in the Batch API's own format:
//   npx retrysafe batch run examples/nightly-batch/requests.jsonl --out judged.jsonl --base-url http://127.0.0.1:8787/v1
import { judgeReviews } from './nightly.ts'

const { NIGHT = 'reviews-2026-11-23', GATEWAY = 'http://127.0.0.1:8787', API_KEY = 'sk-test' } = process.env
const { STORE = 'lmdb:./retrysafe-data' } = process.env
const texts = ['Too salty.', 'Lovely!', 'The lid broke.', 'Never again.', 'As described.', 'Late, but good.']
const reviews = texts.map((text, index) => ({ customId: `review-${index + 1}`, text }))
const judged = await judgeReviews(reviews, NIGHT, { url: GATEWAY, apiKey: API_KEY, store: STORE })
process.stdout.write(`${JSON.stringify(Object.fromEntries(judged))}\n`)
