import { outcomeUnknown } from '../engine/refusal.ts'
import type { CallGuard, CallGuardTerms, OutgoingCall, Safe } from '../engine/safe.ts'
import { headerNames } from '../protocol/headers.ts'
import { credentialsOf } from './credentials.ts'
import type { Failure } from './failure.ts'
import { answerFetch, readCopy } from './fetch.ts'
import { guardedPrefix, type Rules } from './options.ts'
import { readRequestHead } from './request-head.ts'

/** The way of a keyed request, for calls that go out: who sends them stands in the handler's place. */
export function guardCalls(safe: Safe, terms: CallGuardTerms): CallGuard {
  const { policy, name, methods, waitMs, maxRequestBytes, silenceMs, grace } = terms
  const rules: Rules<OutgoingCall> = {
    ...{ safe, policy, methods, waitMs, maxRequestBytes, grace },
    name: guardedPrefix + name,
    key: call => call.key,
    tenant: tenantOf,
    keyless: 'require',
    keyHeaders: [headerNames.key],
    recordStatus: [{ from: 200, to: 299 }],
    handlerTimeoutMs: silenceMs,
    onStoreError: 'closed',
    expiryAware: false,
    leaveOut: undefined,
  }
  return call => {
    const { request } = call
    return answerFetch(rules, {
      request,
      framed: call,
      // The same key for another host is another payload.
      path: url => url.origin + url.pathname,
      handle: context => call.send(context.signal),
      readBody: maxBytes => readCopy(request, maxBytes),
      failureOf: error => failureOf(error, call.wasSent(error)),
    })
  }
}

/** What a call came to that nobody has answered. */
function failureOf(error: unknown, wasSent: boolean): Failure {
  const thrown = { code: 'HANDLER_FAILED', detail: 'The call was not answered.' } as const
  if (!wasSent) return { end: 'free', problem: () => thrown, error }
  return {
    end: 'broken',
    problem: onCrash => (onCrash === 'fail' ? outcomeUnknown('the call was sent and not answered') : thrown),
    error,
  }
}

/** No name of one kind is one of another. */
function tenantOf({ request, tenant }: OutgoingCall): string {
  switch (tenant.kind) {
    case 'single':
      return 'single'
    case 'named':
      return `named ${tenant.name}`
    case 'credential': {
      const head = readRequestHead([...request.headers].flat(), { keys: [], tenant: undefined })
      const credentials = credentialsOf(head, new URL(request.url).search.slice(1))
      return `credentials ${JSON.stringify(credentials)}`
    }
  }
}
