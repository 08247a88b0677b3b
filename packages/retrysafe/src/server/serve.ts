import type { Attempt } from '../engine/attempt.ts'
import { askText, keyFault } from '../engine/callback.ts'
import { deriveKey, type IdempotencyContext, runAs } from '../engine/context.ts'
import type { Engine } from '../engine/engine.ts'
import { RetrysafeError } from '../engine/errors.ts'
import type { RunWatch } from '../engine/safe.ts'
import { describeThrown } from '../engine/thrown.ts'
import { type Turn, tellTurn } from '../engine/turn.ts'
import { canonicalBody } from '../fingerprint/canonical-body.ts'
import type { KeyReading } from '../protocol/key.ts'
import { isProblemCode, type Problem } from '../protocol/problem.ts'
import { retentionForm } from '../protocol/retention.ts'
import { waitBoundMs } from '../protocol/wait.ts'
import type { Caller, KeyNotice } from './caller.ts'
import { clientPolicy } from './client-policy.ts'
import { credentialsOf, readCallersKey, tenantOn } from './credentials.ts'
import { refuseExpired } from './first-sent.ts'
import { KeyedCall } from './keyed-call.ts'
import type { Rules } from './options.ts'
import { perform } from './perform.ts'
import { type RequestHead, readRequestHead } from './request-head.ts'
import { resumeStream, streamIdIn } from './resume.ts'
import type { Run } from './run.ts'

/** The body of a request as an adapter finds it. */
export type BodyReading =
  | { kind: 'bytes'; bytes: Uint8Array }
  /** A parser took the bytes; this is its value, as canonical JSON. */
  | { kind: 'parsed'; bytes: Uint8Array }
  | { kind: 'too large'; lengthBytes: number }
  | { kind: 'refused'; problem: Problem }
  | { kind: 'left' }

/** A request as every adapter reads it. */
export interface Incoming<Request> {
  /** What the framework's handlers get. */
  readonly request: Request
  readonly method: string
  /** Without query. */
  readonly path: string
  readonly query: string
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[]
  /** What goes when the client's connection goes. */
  readonly connection: object
  /** Takes the body in, once, up to so many bytes; the handler still finds it. */
  body(maxBytes: number): Promise<BodyReading>
  /** Fires when the client has left. */
  gone(): AbortSignal
}

/** Who answers, and how. */
export interface Stage {
  readonly caller: Caller
  /**
   * The handler as if we were not there.
   *
   * @param notice set where the request carried a key all the same
   */
  pass(context: IdempotencyContext, notice: KeyNotice | undefined): void | Promise<void>
  /**
   * The handler under a key: its answer goes to the run, and never to the caller itself.
   *
   * @param stop to be aborted when the run must stop: the context's signal fires with it
   */
  handle(run: Run, context: IdempotencyContext, stop: AbortController): void
}

/** As the developer knows them. */
const names = { maxWaiters: 'maxWaiters', maxResult: 'maxResultBytes' }

const refused: KeyNotice = { outcome: 'refused', key: undefined }
const bypassed: KeyNotice = { outcome: 'bypassed', key: undefined }

/** The way of a request: method, key, tenant, body, fingerprint, claim, and then by the claim's answer. */
export async function serve<Request>(rules: Rules<Request>, incoming: Incoming<Request>, stage: Stage): Promise<void> {
  const { caller } = stage
  const head = readRequestHead(incoming.rawHeaders, { keys: rules.keyHeaders, tenant: undefined })
  const streamId = streamIdIn(incoming.method, incoming.path)
  if (streamId !== undefined) return serveStream(rules, incoming, caller, head, streamId)
  if (!rules.methods.has(incoming.method)) {
    const carriesKey = readCallersKey(head, rules.keyHeaders).kind === 'key'
    return stage.pass(withoutKey(incoming), carriesKey ? bypassed : undefined)
  }
  try {
    const reading = await readKeyOf(rules, incoming, head)
    if (reading.kind === 'absent') {
      if (rules.keyless === 'pass') return stage.pass(withoutKey(incoming), undefined)
      return caller.problem({ code: 'KEY_MISSING', detail: `Send ${rules.keyHeaders[0]}.` }, refused)
    }
    if (reading.kind === 'invalid')
      return caller.problem({ code: 'KEY_INVALID', detail: `${reading.reason}.` }, refused)
    return await serveKeyed(rules, incoming, stage, head, reading.key)
  } catch (error) {
    // Nothing has begun.
    if (error instanceof RetrysafeError && error.code === 'STORE_UNAVAILABLE' && rules.onStoreError === 'open')
      return stage.pass(withoutKey(incoming), bypassed)
    refuseError(rules, caller, error)
  }
}

/** Throws what is not ours to answer. */
function refuseError<Request>({ safe }: Rules<Request>, caller: Caller, error: unknown): void {
  if (!(error instanceof RetrysafeError) || !isProblemCode(error.code)) throw error
  if (error.code === 'CALLBACK_FAILED') {
    safe.warnOnce(error.message, `${error.message} ${describeThrown(error.cause)}`)
  }
  caller.problem({ code: error.code, detail: error.message }, refused)
}

async function serveStream<Request>(
  rules: Rules<Request>,
  incoming: Incoming<Request>,
  caller: Caller,
  head: RequestHead,
  id: string,
): Promise<void> {
  try {
    const engine = await rules.safe.engine()
    const tenant = await readTenant(rules, incoming, head, engine)
    if (tenant === undefined) return caller.problem({ code: 'TENANT_MISSING', detail: missingTenant(rules) }, refused)
    await resumeStream({ engine, caller, tenant, id, query: incoming.query, names, gone: () => incoming.gone() })
  } catch (error) {
    refuseError(rules, caller, error)
  }
}

async function serveKeyed<Request>(
  rules: Rules<Request>,
  incoming: Incoming<Request>,
  stage: Stage,
  head: RequestHead,
  key: string,
): Promise<void> {
  const { safe, name } = rules
  const beganAtMs = safe.surroundings.clock.monotonicMs()
  const engine = await safe.engine()
  const tenant = await readTenant(rules, incoming, head, engine)
  if (tenant === undefined)
    return stage.caller.problem({ code: 'TENANT_MISSING', detail: missingTenant(rules) }, refused)
  const facts = { operation: name, tenant, key, beganAtMs }
  const tell = (turn: Turn): void => tellTurn(safe, facts, turn)
  await performKeyed(rules, incoming, stage, { engine, head, key, tenant, tell }).catch(error => {
    if (error instanceof RetrysafeError) tell({ kind: 'refused', code: error.code })
    throw error
  })
}

/** A request whose key and tenant are known: from here on its turns are told. */
interface Keyed {
  readonly engine: Engine
  readonly head: RequestHead
  readonly key: string
  readonly tenant: string
  readonly tell: (turn: Turn) => void
}

async function performKeyed<Request>(
  rules: Rules<Request>,
  incoming: Incoming<Request>,
  stage: Stage,
  { engine, head, key, tenant, tell }: Keyed,
): Promise<void> {
  const { caller } = stage
  const { safe, name } = rules
  const policy = clientPolicy(rules.policy, head)
  if (policy === undefined) {
    tell({ kind: 'refused', code: 'REQUEST_INVALID' })
    return caller.problem({ code: 'REQUEST_INVALID', detail: `Retrysafe-Retention: ${retentionForm}.` }, refused)
  }
  const body = await incoming.body(rules.maxRequestBytes)
  if (body.kind === 'left') return
  if (body.kind === 'refused' || body.kind === 'too large') {
    const problem = body.kind === 'refused' ? body.problem : tooLarge(body.lengthBytes, rules)
    tell({ kind: 'refused', code: problem.code })
    return caller.problem(problem, refused)
  }
  const { mediaType, parameters, contentEncoding, counted: headers } = head
  const { method, path, query } = incoming
  const counted = { method, path, query, headers, mediaType, parameters, contentEncoding, body: body.bytes }
  const call = new KeyedCall({
    policy,
    fingerprintKey: engine.identity.fingerprintKey,
    canonicalBody,
    operation: name,
    tenant,
    key,
    input: rules.leaveOut === undefined ? counted : { ...counted, leaveOut: rules.leaveOut },
    isParsed: body.kind === 'parsed',
    waitMs: waitBoundMs(head.wait, rules.waitMs),
    gone: () => incoming.gone(),
  })
  const { retentionMs } = policy
  const expired = rules.expiryAware
    ? await refuseExpired(engine.store, retentionMs, key, incoming.rawHeaders)
    : undefined
  if (expired !== undefined) call.mayRun = false
  let watch: RunWatch | undefined
  await perform({
    engine,
    call,
    tenant,
    caller,
    notice: outcome => ({ outcome, key: undefined }),
    path,
    recordStatus: rules.recordStatus,
    names,
    surroundings: safe.surroundings,
    ...(expired !== undefined && { mayNotRun: expired }),
    ...(rules.grace !== 'finish' && { desertion: { gone: incoming.gone(), graceMs: rules.grace } }),
    dispatch(run, attempt) {
      const stop = new AbortController()
      const context = contextOf(engine, call, attempt, stop.signal)
      const handle = (): void => runAs(context, () => stage.handle(run, context, stop))
      watch = safe.watchRun?.(name, attempt.number)
      if (watch === undefined) handle()
      else watch.within(handle)
    },
    tell(turn) {
      if (turn.kind === 'executed') watch?.ended(turn.recorded)
      tell(turn)
    },
  })
}

function tooLarge<Request>(lengthBytes: number, { maxRequestBytes }: Rules<Request>): Problem {
  return { code: 'BODY_TOO_LARGE', detail: `${lengthBytes} bytes > ${maxRequestBytes} (maxRequestBytes).` }
}

function contextOf({ identity }: Engine, call: KeyedCall, attempt: Attempt, signal: AbortSignal): IdempotencyContext {
  return {
    key: call.label.key,
    signal,
    attempt: attempt.number,
    replayable: true,
    derive: name => deriveKey(identity.fingerprintKey, call.key, name),
  }
}

function withoutKey<Request>(incoming: Incoming<Request>): IdempotencyContext {
  return {
    key: undefined,
    get signal() {
      return incoming.gone()
    },
    attempt: 1,
    replayable: false,
    derive() {
      throw new RetrysafeError('KEY_MISSING', 'derive() takes a request with an idempotency key; this one has none')
    },
  }
}

async function readKeyOf<Request>(
  rules: Rules<Request>,
  { request }: Incoming<Request>,
  head: RequestHead,
): Promise<KeyReading> {
  if (rules.key === undefined) return readCallersKey(head, rules.keyHeaders)
  const { key: name } = rules
  const key = await askText('key', () => name(request))
  if (key === undefined) return { kind: 'absent' }
  const reason = keyFault(key)
  return reason === undefined ? { kind: 'key', key } : { kind: 'invalid', reason }
}

async function readTenant<Request>(
  { tenant }: Rules<Request>,
  { request, query, connection }: Incoming<Request>,
  head: RequestHead,
  { identity }: Engine,
): Promise<string | undefined> {
  if (tenant === 'single') return identity.tenantNamed('')
  if (tenant === 'credential') {
    const credentials = credentialsOf(head, query)
    return credentials.length === 0 ? undefined : tenantOn(connection, identity, credentials)
  }
  const name = await askText('tenant', () => tenant(request))
  return name === undefined || name === '' ? undefined : identity.tenantNamed(name)
}

function missingTenant<Request>({ tenant }: Rules<Request>): string {
  if (tenant !== 'credential') return 'It is not known whose request this is.'
  return 'Send a credential (Authorization, x-api-key, api-key, x-goog-api-key or ?key=).'
}
