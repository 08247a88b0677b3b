import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync } from 'node:fs'
import { createFetch } from 'retrysafe/client'

/**
 * Runs the calls of one SDK in a process of its own, on the Node that it is started with: `host.mjs SDKS DRIVER`, both
 * file URLs. SDKS loads what is installed beside it, DRIVER knows how one SDK is called. Calls come in as messages
 * (`CallTerms` in sdk-host.ts), and what comes of them goes out as messages: each piece of text as it arrives, then the end.
 */
const [sdksUrl, driverUrl] = process.argv.slice(2)
const sdks = await import(sdksUrl)
const driver = await import(driverUrl)
const apis = await driver.open(sdks.load)

const calls = new AsyncLocalStorage()
const send = globalThis.fetch
globalThis.fetch = watchedFetch

process.once('disconnect', () => process.exit())
process.on('message', perform)
process.send({ kind: 'ready', versions: { node: process.versions.node, ...versionsOf(driver.packages) } })

async function perform({ id, terms: { client, ...terms } }) {
  const exchanges = []
  const warnings = []
  const fetch = client && createFetch({ ...client, onWarning: message => warnings.push(message) })
  const end = await calls.run({ exchanges }, () => run(id, { ...terms, fetch }))
  const told = exchanges.map(({ pieces, ...exchange }) => ({
    ...exchange,
    body: Buffer.concat(pieces).toString('base64'),
  }))
  process.send({
    kind: 'end',
    id,
    end: { ...end, exchanges: told, ...(fetch && { client: { ...fetch.counts(), warnings } }) },
  })
}

async function run(id, terms) {
  const api = apis[terms.api]
  let text = ''
  const say = piece => {
    if (piece === '') return
    text += piece
    process.send({ kind: 'piece', id, piece })
  }
  try {
    if (terms.how === 'plain') say(await api.plain(terms))
    else for await (const piece of api.stream(terms)) say(piece)
    return { kind: 'answered', text }
  } catch (error) {
    const { statusCode, status = statusCode } = Object(error)
    return { kind: 'failed', text, message: messagesOf(error), status }
  }
}

/** The `fetch` that every SDK takes when it is given none: it notes what goes over the wire, and changes nothing. */
async function watchedFetch(input, init) {
  // Here the boundary of a multipart body is drawn.
  const request = new Request(input, init)
  // An SDK may try out what the runtime can do, on a `data:` URL.
  if (!request.url.startsWith('http')) return send(request)
  const exchange = { contentType: request.headers.get('content-type'), key: request.headers.get('idempotency-key') }
  calls.getStore()?.exchanges.push(Object.assign(exchange, { pieces: [] }))
  const response = await send(request)
  const { status, headers } = response
  Object.assign(exchange, { status, outcome: headers.get('retrysafe-outcome') })
  if (response.body === null) return response
  const note = new TransformStream({
    transform(piece, controller) {
      exchange.pieces.push(piece)
      controller.enqueue(piece)
    },
  })
  return new Response(response.body.pipeThrough(note), response)
}

/** What a user reads in a log: the message of an error and of what caused it. `ai` 6 tells some as plain objects. */
function messagesOf(error) {
  const causes = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(cause.message)
  return causes.length > 0 ? causes.join('; ') : JSON.stringify(error)
}

function versionsOf(packages) {
  const version = name => JSON.parse(readFileSync(new URL(`${name}/package.json`, sdks.folder), 'utf8')).version
  return Object.fromEntries(packages.map(name => [name, version(name)]))
}
