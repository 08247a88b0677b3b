import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Answer, jsonAnswer, textAnswer } from './answer.ts'
import { readBody } from './body.ts'
import { ENDPOINT_LINES, findEndpoint, guideText, type Match } from './catalogue.ts'
import { deliver } from './delivery.ts'
import { errorAnswer } from './error-format.ts'
import { createFaultTurns } from './fault-turns.ts'
import { FAULT_LINES, parseFaults } from './faults.ts'
import { readForm } from './form.ts'
import { Meter, meterKey } from './meter.ts'
import { type Bench, type Received, reactTo } from './reaction.ts'
import { keyUseOf, Repeats } from './repeats.ts'

/** How the sandbox is set up. */
export interface SandboxOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined
  /** 0 to 65535, default 9090; 0 lets the system pick one. */
  readonly port?: number | undefined
  /** Faults of every call that has no `Sandbox-Fault` header, in the same words. Default none. */
  readonly fault?: string | undefined
  /** A file to which each counted request is appended, a line of JSON, before it is answered. Default none. */
  readonly meterFile?: string | undefined
  /** Whether a repeated `Idempotency-Key` gets the first answer again instead of a run. Default false. */
  readonly idempotent?: boolean | undefined
}

/** A running sandbox. */
export interface Sandbox {
  /** Its base URL without a slash at the end, such as `http://127.0.0.1:9090`. */
  readonly url: string
  /** Ends at once: open sockets are destroyed, hung calls included. May be called again. */
  close(): Promise<void>
}

const MAX_BODY_BYTES = 67_108_864

/** Longer than any client's pool keeps an idle connection, so that it is never we who close one just being reused. */
const KEEP_ALIVE_MS = 75_000

/**
 * Starts the sandbox: a metered, fake AI provider with faults on demand.
 * @throws {TypeError} `options.fault` is not understood
 * @throws the system's error where the port is taken (`EADDRINUSE`) or the meter file cannot be opened
 * @example
 * const sandbox = await startSandbox({ port: 0 })
 * await fetch(`${sandbox.url}/effects/charge`, { method: 'POST', headers: { 'Sandbox-Fault': 'delay=2s' } })
 * await sandbox.close()
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { host = '127.0.0.1', port = 9090, fault = '', meterFile, idempotent = false } = options
  const reading = parseFaults(fault)
  if (reading.kind === 'invalid') throw new TypeError(`${reading.message} There are: ${FAULT_LINES.join('; ')}`)
  const repeats = idempotent ? new Repeats() : undefined
  const bench: Bench = { meter: new Meter(meterFile), turns: createFaultTurns(), repeats }
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => {
    serve(bench, fault, req, res).catch((error: unknown) => reportFailure(res, error))
  })
  try {
    await listen(server, host, port)
  } catch (error) {
    bench.meter.close()
    throw error
  }
  let closed: Promise<void> | undefined
  return {
    url: urlOf(server),
    close: () => {
      closed ??= stop(server).then(() => bench.meter.close())
      return closed
    },
  }
}

/** The way of a request: route, body, faults, work, meter, answer. */
async function serve(bench: Bench, defaultFault: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  // A write to a client that has just left is an 'error' event, which would end the process if nobody listened.
  res.on('error', () => {})
  const target = req.url ?? '/'
  const path = target.split('?', 1)[0] ?? '/'
  const query = target.slice(path.length + 1)
  const match = req.method === 'POST' ? findEndpoint(path) : undefined
  if (match === undefined) {
    req.resume()
    return deliver(res, answerAside(bench, `${req.method} ${path}`, query), [])
  }
  const body = await readBody(req, MAX_BODY_BYTES)
  switch (body.kind) {
    case 'cut':
      return
    case 'too-large': {
      const message = `The body is larger than ${body.limitBytes} bytes.`
      return deliver(res, errorAnswer({ status: 413, message, code: 'body_too_large' }, match.endpoint.errors), [])
    }
    case 'whole': {
      const faultText = faultHeader(req) ?? defaultFault
      const keyUse = bench.repeats && keyUseOf(req.headers, path, query, body.bytes)
      const received = { ...(await receive(req, match, { path, query }, body.bytes)), keyUse, faultText }
      const { answer, faults } = reactTo(bench, received)
      return deliver(res, answer, faults)
    }
  }
}

async function receive(
  req: IncomingMessage,
  match: Match,
  { path, query }: { readonly path: string; readonly query: string },
  body: Buffer,
): Promise<Omit<Received, 'keyUse' | 'faultText'>> {
  const takesForm = match.endpoint.takesForm === true
  const form = takesForm ? await readForm(body, req.headers['content-type'] ?? '') : undefined
  const alt = new URLSearchParams(query).get('alt') ?? undefined
  return {
    match,
    call: { body, name: match.name, alt, form },
    receipt: { path, key: keyOf(req) },
  }
}

/** Everything that is not a call: the guide, the meter, and what is not there. */
function answerAside({ meter, turns, repeats }: Bench, route: string, query: string): Answer {
  switch (route) {
    case 'GET /':
      return textAnswer(200, guideText())
    case 'GET /meter': {
      const key = new URLSearchParams(query).get('key')
      return jsonAnswer(200, key === null ? meter.report() : meter.spend(key))
    }
    case 'DELETE /meter':
      meter.reset()
      turns.reset()
      repeats?.reset()
      return { kind: 'plain', status: 204, headers: {}, body: Buffer.alloc(0) }
    default: {
      const message = `There is no ${route.slice(0, 200)} here.`
      return errorAnswer({ status: 404, message, code: 'not_found', beside: { endpoints: ENDPOINT_LINES } })
    }
  }
}

function keyOf(req: IncomingMessage): string | undefined {
  const key = req.headers['idempotency-key']
  return typeof key === 'string' && key !== '' ? meterKey(key) : undefined
}

function faultHeader(req: IncomingMessage): string | undefined {
  const header = req.headers['sandbox-fault']
  return typeof header === 'string' ? header : undefined
}

/** A defect of ours, or a meter file that cannot be written: never an answer that was not counted. */
function reportFailure(res: ServerResponse, error: unknown): void {
  process.stderr.write(
    `retrysafe sandbox: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  if (res.headersSent) res.destroy()
  else void deliver(res, errorAnswer({ status: 500, message: 'The sandbox itself failed; see its log.' }), [])
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function stop(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function urlOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('the sandbox listens on no TCP port')
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}
