// Runs a folder's batch: in.jsonl to out.jsonl. What it sends stands in sent.log before the answer comes, one id a line.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { runBatchFile } from '../../../dist/batch/index.js'
import { createRetrysafe } from '../../../dist/index.js'

const [folder = '', order = 'completion', answerMs = '2', store = `lmdb:${join(folder, 'store')}`] =
  process.argv.slice(2)
const safe = createRetrysafe({ store })
try {
  const summary = await runBatchFile({
    input: join(folder, 'in.jsonl'),
    output: join(folder, 'out.jsonl'),
    safe,
    order,
    concurrency: 8,
    onWarning: message => process.stderr.write(`${message}\n`),
    async send({ customId }) {
      appendFileSync(join(folder, 'sent.log'), `${customId}\n`)
      await new Promise(resolve => setTimeout(resolve, Number(answerMs)))
      const body = JSON.stringify({ model: 'm', text: customId.repeat(20) })
      return { status: 200, requestId: undefined, body, replayed: false }
    },
  })
  process.stdout.write(JSON.stringify(summary))
} finally {
  await safe.close()
}
