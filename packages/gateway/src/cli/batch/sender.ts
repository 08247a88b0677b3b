import type { BatchAnswer, BatchLine } from 'retrysafe/internal/batch/file/batch-line'
import { BatchRefusal } from 'retrysafe/internal/batch/file/batch-line'
import type { BatchContext } from 'retrysafe/internal/batch/options'
import { headerNames } from 'retrysafe/internal/protocol/headers'
import { Pool } from 'undici'
import { requestModel } from '../../ledger/request-model.ts'
import { type CallCredentials, callHeaders, type Redaction, redactionOf } from './call-headers.ts'
import { type ExchangeAnswer, exchange } from './exchange.ts'
import { type BaseUrl, joinUrl } from './join-url.ts'
import { judgeAnswer } from './judged-answer.ts'

export interface SenderTerms {
  readonly base: BaseUrl
  readonly credentials: CallCredentials
  /** Most calls at once. */
  readonly connections: number
  /** How long a connection, the head of an answer, or the next piece of it may take. */
  readonly timeoutMs: number
}

/** Sends lines of a batch to where `--base-url` points. */
export interface Sender {
  /** @throws {BatchRefusal} for an answer that is no success; else what undici throws, or an error with a `code` */
  send(line: BatchLine, context: Pick<BatchContext, 'idempotencyKey' | 'signal'>): Promise<BatchAnswer>
  /** Whether the answers so far say that a key is honoured there: that of a gateway does. */
  honoursKeys(): boolean
  close(): Promise<void>
}

/** Of one answer. */
const maxAnswerBytes = 67_108_864
const maxHeaderBytes = 65_536
const connectTimeoutMs = 10_000
const requestIdHeaders = ['x-request-id', 'request-id', 'apim-request-id']

/** Opens its connections when they are needed. */
export function openSender({ base, credentials, connections, timeoutMs }: SenderTerms): Sender {
  const pool = new Pool(base.origin, {
    connections,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    connect: { timeout: Math.min(connectTimeoutMs, timeoutMs), rejectUnauthorized: true },
    maxHeaderSize: maxHeaderBytes,
  })
  const host = new KeyHonour()
  const redaction = redactionOf(credentials)
  return {
    async send(line, { idempotencyKey, signal }) {
      const target = joinUrl(base.path, line.url)
      const headers = {
        ...callHeaders(credentials, target),
        'content-type': 'application/json',
        'accept-encoding': 'identity',
        [headerNames.key]: idempotencyKey,
      }
      const request = { method: line.method, path: target, headers, body: line.body }
      const answer = await exchange(pool, request, signal, maxAnswerBytes)
      host.learn(answer)
      return readAnswer(line, target.replace(/\?.*/s, ''), answer, redaction)
    },
    honoursKeys: () => host.isHonoured,
    close: () => pool.destroy(),
  }
}

function readAnswer(line: BatchLine, path: string, answer: ExchangeAnswer, redaction: Redaction): BatchAnswer {
  const { status, headers } = answer
  const judged = judgeAnswer(path, answer, maxAnswerBytes)
  const named = requestIdHeaders.map(name => headers[name]).find(id => id !== undefined && id !== '')
  const requestId = named === undefined ? undefined : redaction.redact(named)
  switch (judged.kind) {
    case 'incomplete':
      throw Object.assign(new Error(`the answer is not whole: ${judged.reason}`), { code: 'ANSWER_INCOMPLETE' })
    case 'failure': {
      throw new BatchRefusal({ status, headers, requestId, body: redaction.redact(judged.body) })
    }
    case 'success': {
      const model = judged.model ?? requestModel(path, line.body)
      return {
        status,
        requestId,
        body: redaction.redactKeys(judged.body),
        ...(model !== undefined && { model }),
        ...(judged.usage !== undefined && { usage: judged.usage }),
        replayed: headers[headerNames.replayed] === 'true',
      }
    }
  }
}

/** What answers to keyed calls say of whoever gave them. One that says nothing may stand for a part that never will. */
class KeyHonour {
  #says = false
  #isSilentInPart = false

  get isHonoured(): boolean {
    return this.#says && !this.#isSilentInPart
  }

  learn({ status, headers }: ExchangeAnswer): void {
    const outcome = headers[headerNames.outcome]
    // A gateway that lets a call through as if it were not there does not protect it.
    if (outcome !== undefined) this.#says = outcome !== 'bypassed'
    // An error may be from somebody on the way.
    else if (status >= 200 && status <= 299) this.#isSilentInPart = true
  }
}
