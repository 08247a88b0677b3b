import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Answer, errorAnswer, jsonAnswer, textAnswer } from './answer.ts'
import { readBody } from './body.ts'
import { ENDPOINT_LINES, findEndpoint, guideText, type Match } from './catalogue.ts'
import { deliver } from './delivery.ts'
import { createFaultTurns, type FaultTurns } from './fault-turns.ts'
import { FAULT_LINES, type Fault, faultOf, parseFaults } from './faults.ts'
import { Meter, meterKey, type Receipt } from './meter.ts'

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
}

/** A running sandbox. */
export interface Sandbox {
  /** Its base URL without a slash at the end, such as `http://127.0.0.1:9090`. */
  readonly url: string
  /** Ends at once: open sockets are destroyed, hung calls included. May be called again. */
  close(): Promise<void>
}

interface Bench {
  readonly meter: Meter
  readonly turns: FaultTurns
  readonly defaultFault: string
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
  const { host = '127.0.0.1', port = 9090, fault = '', meterFile } = options
  const reading = parseFaults(fault)
  if (reading.kind === 'invalid') throw new TypeError(`${reading.message} There are: ${FAULT_LINES.join('; ')}`)
  const bench: Bench = { meter: new Meter(meterFile), turns: createFaultTurns(), defaultFault: fault }
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => {
    serve(bench, req, res).catch((error: unknown) => reportFailure(res, error))
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
async function serve(bench: Bench, req: IncomingMessage, res: ServerResponse): Promise<void> {
  // A write to a client that has just left is an 'error' event, which would end the process if nobody listened.
  res.on('error', () => {})
  const target = req.url ?? '/'
  const path = target.split('?', 1)[0] ?? '/'
  const match = req.method === 'POST' ? findEndpoint(path) : undefined
  if (match === undefined) {
    req.resume()
    return deliver(res, answerAside(bench, `${req.method} ${path}`, target.slice(path.length + 1)), [])
  }
  const body = await readBody(req, MAX_BODY_BYTES)
  switch (body.kind) {
    case 'cut':
      return
    case 'too-large': {
      const message = `The body is larger than ${body.limitBytes} bytes.`
      return deliver(res, errorAnswer({ status: 413, message, code: 'body_too_large' }), [])
    }
    case 'whole': {
      const { answer, faults } = answerCall(bench, match, { path, key: keyOf(req) }, body.bytes, req)
      return deliver(res, answer, faults)
    }
  }
}

interface Reaction {
  readonly answer: Answer
  readonly faults: readonly Fault[]
}

/** Counts, then answers. Without an `await`: two requests never see the same run number. */
function answerCall(bench: Bench, match: Match, receipt: Receipt, body: Buffer, req: IncomingMessage): Reaction {
  const { meter, turns, defaultFault } = bench
  const reading = parseFaults(faultHeader(req) ?? defaultFault)
  if (reading.kind === 'invalid') {
    meter.countRejected(receipt)
    const terms = { status: 400, message: reading.message, param: 'Sandbox-Fault', code: 'fault_invalid' }
    return { answer: errorAnswer({ ...terms, beside: { faults: FAULT_LINES } }), faults: [] }
  }
  const faults = turns.take(reading.faults, receipt)
  const failure = statusAnswer(faults)
  if (failure !== undefined) {
    meter.countFailed(receipt)
    return { answer: failure, faults }
  }
  const work = match.endpoint.work({ body, name: match.name }, meter.next())
  if (work.kind === 'rejected') meter.countRejected(receipt)
  else meter.countRun(receipt, work.usage, work.effect)
  return { answer: work.answer, faults }
}

function statusAnswer(faults: readonly Fault[]): Answer | undefined {
  const fault = faultOf(faults, 'status')
  if (fault === undefined) return undefined
  const wait = faultOf(faults, 'retry-after')
  return errorAnswer({
    status: fault.status,
    message: `Sandbox-Fault: status=${fault.status}`,
    ...(fault.status === 429 ? { code: 'rate_limit_exceeded' } : {}),
    ...(wait === undefined ? {} : { headers: { 'retry-after': String(wait.seconds) } }),
  })
}

/** Everything that is not a call: the guide, the meter, and what is not there. */
function answerAside({ meter, turns }: Bench, route: string, query: string): Answer {
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
