import { askText } from '../engine/callback.ts'
import { RetrysafeError } from '../engine/errors.ts'
import type { CallGuard, CallTenant } from '../engine/safe.ts'
import { readNetworkFailure } from '../protocol/network-error.ts'
import { type CallKey, copyOf } from './call-key.ts'
import { type CallTerms, type Client, deliver, runCall } from './call-run.ts'
import { discard, linkTo, untilAborted } from './exchange.ts'
import type { FetchRules, LocalRules } from './options.ts'
import { PieceReader } from './piece-reader.ts'

/** Makes calls whose outcomes are kept here: a key's call is made once. */
export type KeptCalls = (call: CallTerms & { readonly key: CallKey }) => Promise<Response>

/** Nothing is opened before the first call. */
export function keepCalls({ rules }: Pick<Client, 'rules'>, local: LocalRules): KeptCalls {
  let guarding: Promise<CallGuard> | undefined
  return async call => {
    guarding ??= guard(rules, local)
    const { outgoing, key, signal } = call
    const link = linkTo(signal)
    try {
      const tenant = await readTenant(local, call)
      const guarded = await guarding
      const answering = guarded({
        request: new Request(copyOf(outgoing), { signal: link.signal }),
        key: key.key,
        tenant,
        send: async stop => decoded(await runCall({ ...call, signal: stop })),
        wasSent: error => readNetworkFailure(error) === 'sent',
      })
      const response = await untilAborted(answering, link.signal, discard)
      // Broken streams of the host are resumed below; this one comes from the store.
      return deliver(call, new PieceReader({ response, ...link }, rules), undefined)
    } catch (error) {
      link.close()
      throw error
    }
  }
}

function guard(rules: FetchRules, { safe, tenant: _tenant, ...rest }: LocalRules): Promise<CallGuard> {
  const { methods, maxRequestBytes, deadlineMs, silenceTimeoutMs } = rules
  return safe.guardCalls({ ...rest, methods, maxRequestBytes, silenceMs: deadlineMs + silenceTimeoutMs })
}

/** @throws {RetrysafeError} `CALLBACK_FAILED`; `TENANT_MISSING`: the function gave none */
async function readTenant({ tenant }: LocalRules, { outgoing }: CallTerms): Promise<CallTenant> {
  if (tenant === undefined) return { kind: 'credential' }
  if (tenant === 'single') return { kind: 'single' }
  const name = await askText('tenant', () => tenant(copyOf(outgoing)))
  if (name !== undefined && name !== '') return { kind: 'named', name }
  throw new RetrysafeError('TENANT_MISSING', 'the tenant function gave none: nobody knows whose call this is')
}

/** The platform has decoded the body already; its head still speaks of what came over the wire. */
function decoded(response: Response): Response {
  if (!response.headers.has('content-encoding')) return response
  const headers = new Headers(response.headers)
  for (const name of ['content-encoding', 'content-length']) headers.delete(name)
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers })
}
