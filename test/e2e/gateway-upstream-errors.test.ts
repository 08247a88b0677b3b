import { BadRequestError, InternalServerError } from 'openai'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, jsonOf, problemOf } from '../support/exchange.ts'
import { recordOf } from '../support/records.ts'
import { chat, countingFetch, keyed, openAi } from '../support/sdk.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const client = openAi(gateway.url)

/** The headers of a call outside the SDK. */
function headersFor(key: string, fault = ''): Record<string, string> {
  return {
    Authorization: 'Bearer sk-test',
    'Content-Type': 'application/json',
    'Idempotency-Key': key,
    'Sandbox-Fault': fault,
  }
}

describe('500, then 200', () => {
  test('control: without a gateway a third call runs again', async () => {
    const direct = openAi(sandbox.url, { maxRetries: 2 })
    await direct.chat.completions.create(chat('hello'), keyed('flaky', 'status=500, times=1'))
    await direct.chat.completions.create(chat('hello'), keyed('flaky', 'status=500, times=1'))
    expect(await sandbox.meter.all()).toMatchObject({ received: 3, failed: 1, runs: 2 })
  })

  test('the retry of the SDK itself gets the 200, and that is what is kept', async () => {
    const wire = countingFetch()
    const retrying = openAi(gateway.url, { maxRetries: 2, fetch: wire.fetch })
    const first = await retrying.chat.completions.create(chat('hello'), keyed('flaky', 'status=500, times=1'))
    expect(first.id).toBe('chatcmpl-sandbox-1')
    expect(wire.count()).toBe(2)

    const again = await retrying.chat.completions
      .create(chat('hello'), keyed('flaky', 'status=500, times=1'))
      .withResponse()
    expect(again.data).toEqual(first)
    expect(again.response.headers.get('retrysafe-outcome')).toBe('replayed')
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, failed: 1, runs: 1 })
  })

  test('the 500 reaches its caller as the upstream sent it, and is never given to anybody else', async () => {
    const failing = client.chat.completions.create(chat('hello'), keyed('untouched', 'status=500'))
    const error = await failing.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InternalServerError)
    expect(error).toMatchObject({ status: 500, error: { message: 'Sandbox-Fault: status=500', type: 'server_error' } })
    expect((error as InternalServerError).headers.get('retrysafe-outcome')).toBe('executed')
    expect((error as InternalServerError).headers.get('idempotent-replayed')).toBeNull()
    expect((await recordOf(gateway.admin, 'untouched'))?.state).toBe('open')

    const retry = await client.chat.completions.create(chat('hello'), keyed('untouched')).withResponse()
    expect(retry.response.headers.get('retrysafe-outcome')).toBe('executed')
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, failed: 1, runs: 1 })
  })

  test('who waited for the run that failed does not inherit its error, and runs once more for all of them', async () => {
    const fault = 'delay=300ms, status=500, times=1'
    const first = client.chat.completions.create(chat('hello'), keyed('inherit', fault))
    const failed = expect(first).rejects.toThrow(InternalServerError)
    await eventually(async () => (await sandbox.meter.all()).failed).toBe(1)
    const waiting = Array.from({ length: 10 }, () =>
      client.chat.completions.create(chat('hello'), keyed('inherit', fault)),
    )
    await failed
    const ids = (await Promise.all(waiting)).map(completion => completion.id)
    expect(new Set(ids)).toEqual(new Set(['chatcmpl-sandbox-1']))
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, failed: 1, runs: 1 })
  })
})

describe('400', () => {
  const invalid = { model: 'sandbox-model', messages: [] }

  test('is given back at once, not retried, not kept, and leaves the key free for a corrected body', async () => {
    const wire = countingFetch()
    const retrying = openAi(gateway.url, { maxRetries: 2, fetch: wire.fetch })
    const refused = retrying.chat.completions.create(invalid, keyed('corrected'))
    await expect(refused).rejects.toThrow(BadRequestError)
    expect(wire.count()).toBe(1)
    expect(await recordOf(gateway.admin, 'corrected')).toBeUndefined()

    const corrected = await retrying.chat.completions.create(chat('hello'), keyed('corrected')).withResponse()
    expect(corrected.response.headers.get('retrysafe-outcome')).toBe('executed')
    expect(corrected.data.id).toBe('chatcmpl-sandbox-1')
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, rejected: 1, runs: 1 })
  })

  test('is asked of the upstream every time: nothing is kept of it', async () => {
    for (let call = 1; call <= 3; call++) {
      await expect(client.chat.completions.create(invalid, keyed('stubborn'))).rejects.toThrow(BadRequestError)
      expect(await sandbox.meter.all()).toMatchObject({ received: call, rejected: call })
    }
  })
})

describe('429 with Retry-After', () => {
  const url = `${gateway.url}/v1/chat/completions`
  const body = JSON.stringify(chat('hello'))
  const fault = 'status=429, retry-after=1, times=1'

  test('the SDK waits as it was told, and its retry runs', async () => {
    const retrying = openAi(gateway.url, { maxRetries: 2 })
    const completion = await retrying.chat.completions.create(chat('hello'), keyed('limited', fault))
    expect(completion.id).toBe('chatcmpl-sandbox-1')
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, failed: 1, runs: 1 })
  })

  test('the key rests as long as the upstream asked; who does not wait is told for how long', async () => {
    const limited = await ask(url, { headers: headersFor('rests', fault), body })
    expect(limited.status).toBe(429)
    expect(limited.headers['retry-after']).toBe('1')
    expect(jsonOf(limited)).toMatchObject({ error: { type: 'rate_limit_error' } })

    const hasty = await ask(url, { headers: { ...headersFor('rests', fault), 'Retrysafe-Wait': '0' }, body })
    expect(problemOf(hasty)).toEqual({ status: 409, code: 'IN_FLIGHT', shouldRetry: 'true' })
    expect(hasty.headers['retry-after']).toBe('1')
    expect(Number(hasty.headers['retry-after-ms'])).toBeGreaterThan(0)
    expect(Number(hasty.headers['retry-after-ms'])).toBeLessThanOrEqual(1_000)
    expect(await sandbox.meter.all()).toMatchObject({ received: 1, failed: 1, runs: 0 })

    const patient = await ask(url, { headers: headersFor('rests', fault), body })
    expect(patient.status).toBe(200)
    expect(await sandbox.meter.all()).toMatchObject({ received: 2, failed: 1, runs: 1 })
  })
})
