import { createFetch } from 'retrysafe/client'
import { drive } from '../callers.mjs'
import { executedBy } from '../load.mjs'
import { startChild } from '../servers/child.mjs'

const callers = 32
const body = JSON.stringify({ model: 'bench', prompt: 'p'.repeat(1_024 - 30) })
const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' }

/** Posts 1 KiB and reads the whole answer, as an SDK does. */
async function post(send, url) {
  const answer = await send(`${url}/v1/things`, { method: 'POST', headers, body })
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
  await answer.json()
}

/** The same calls with us and without, from one process to a bare server in another: every call is one execution. */
async function besideFetch({ seconds, repeats }) {
  const server = await startChild(['bench/servers/bare.mjs'])
  const ours = createFetch()
  try {
    for (const send of [fetch, ours]) await drive(() => post(send, server.url), callers, 1_000)
    const runs = []
    for (let repeat = 0; repeat < repeats; repeat++) {
      const bare = await drive(() => post(fetch, server.url), callers, seconds * 1_000)
      const before = await executedBy(server.url)
      const kept = await drive(() => post(ours, server.url), callers, seconds * 1_000)
      const executed = (await executedBy(server.url)) - before
      if (executed !== kept.answered) throw new Error(`${kept.answered} calls, but ${executed} executions`)
      runs.push({ bare, ours: kept, executed, ratio: kept.perSecond / bare.perSecond })
    }
    return runs
  } finally {
    await server.end()
  }
}

export const clientRows = [
  {
    name: `client calls over createFetch, ${callers} callers`,
    goal: 0.5,
    beside: "the platform's fetch",
    run: besideFetch,
  },
]
