// The batch as the articles' disaster has it: node naive-batch.mjs IN.jsonl OUT.jsonl URL. What it has it holds in memory
// until its end, and a restart begins at the beginning. Its items have keys, for a provider that would honour them.
import { readFileSync, writeFileSync } from 'node:fs'

const [, , input, output, url] = process.argv
const waiting = readFileSync(input, 'utf8').trim().split('\n').map(JSON.parse)
const results = []

async function work() {
  for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': `batch-${item.custom_id}` }
    const answer = await fetch(url + item.url, { method: item.method, headers, body: JSON.stringify(item.body) })
    if (!answer.ok) throw new Error(`${item.custom_id}: ${answer.status}`)
    results.push({ custom_id: item.custom_id, body: await answer.json() })
  }
}

await Promise.all([work(), work(), work(), work()])
writeFileSync(output, results.map(result => `${JSON.stringify(result)}\n`).join(''))
