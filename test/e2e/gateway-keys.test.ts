import { describe, expect, test } from 'vitest'
import { type Answer, ask, jsonOf, problemOf } from '../support/exchange.ts'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()

function charge(key: string | string[], url = gateway.url): Promise<Answer> {
  return ask(`${url}/effects/charge`, {
    headers: { Authorization: 'Bearer sk-test', 'Idempotency-Key': key },
    body: '{}',
  })
}

describe('good keys', () => {
  test.each([
    ['order-42', 'order-42'],
    ['"quoted-42"', 'quoted-42'],
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ["!#$%&'()*+-./:<=>?@[]^_`{|}~", "!#$%&'()*+-./:<=>?@[]^_`{|}~"],
    ['"with,comma;and=sign"', 'with,comma;and=sign'],
    [String.raw`"say \"hi\""`.replace(' ', '-'), 'say-"hi"'],
    [String.raw`"back\\slash"`, String.raw`back\slash`],
    ['  padded-42\t', 'padded-42'],
    ['b'.repeat(255), 'b'.repeat(255)],
    [`"${'q'.repeat(255)}"`, 'q'.repeat(255)],
    [String.raw`"${'e'.repeat(254)}\""`, `${'e'.repeat(254)}"`],
  ])('%s', async (sent, key) => {
    const first = await charge(sent)
    expect([first.status, first.headers['retrysafe-outcome']]).toEqual([200, 'executed'])
    expect(first.headers['retrysafe-key']).toBe(key)
    const second = await charge(sent)
    expect([second.text, second.headers['retrysafe-outcome']]).toEqual([first.text, 'replayed'])
    expect((await sandbox.meter.all()).runs).toBe(1)
  })

  test.each([
    ['same-1', '"same-1"'],
    ['"same-2"', 'same-2'],
    [' same-3', '"same-3" '],
  ])('%s and %s are one key', async (one, other) => {
    const first = await charge(one)
    const second = await charge(other)
    expect([second.text, second.headers['retrysafe-outcome']]).toEqual([first.text, 'replayed'])
    expect((await sandbox.meter.all()).runs).toBe(1)
  })

  test('control: upper and lower case are two keys', async () => {
    await charge('case')
    expect((await charge('CASE')).headers['retrysafe-outcome']).toBe('executed')
    expect((await sandbox.meter.all()).runs).toBe(2)
  })
})

describe('bad keys', () => {
  test.each<[string, string | string[], RegExp]>([
    ['two lines', ['a', 'b'], /sent twice/],
    ['two equal lines', ['a', 'a'], /sent twice/],
    ['empty', '', /empty/],
    ['only spaces', '   ', /empty/],
    ['empty and quoted', '""', /empty/],
    ['256 characters', 'x'.repeat(256), /256 characters > 255/],
    ['256 characters, quoted', `"${'x'.repeat(256)}"`, /256 characters > 255/],
    ['a space', 'a b', /space/],
    ['a space, quoted', '"a b"', /space/],
    ['a tab', 'a\tb', /control/],
    ['a comma', 'a,b', /may not hold ,/],
    ['a list', '"a", "b"', /follows the closing quote/],
    ['a semicolon', 'a;b=1', /may not hold ;/],
    ['parameters', '"a";b=1', /parameters/],
    ['a bare backslash', String.raw`a\b`, /may not hold \\/],
    ['a quote inside', 'a"b', /may not hold "/],
    ['a quote at its end', 'a"', /may not hold "/],
    ['no closing quote', '"a', /closing quote is missing/],
    ['an escaped closing quote', String.raw`"a\"`, /closing quote is missing/],
    ['a wrong escape', String.raw`"a\n"`, /backslash/],
    ['a backslash at its end', String.raw`"a\ `.trim(), /backslash/],
    ['not ASCII', 'é', /non-ASCII/],
    ['not ASCII, quoted', '"é"', /non-ASCII/],
    ['UTF-8 bytes', Buffer.from('☃').toString('latin1'), /non-ASCII/],
  ])('%s', async (_, sent, reason) => {
    const answer = await charge(sent)
    expect(problemOf(answer)).toEqual({ status: 400, code: 'KEY_INVALID', shouldRetry: 'false' })
    expect(answer.headers['content-type']).toBe('application/problem+json')
    const problem = jsonOf(answer)
    expect(problem).toMatchObject({
      type: 'urn:retrysafe:problem:key-invalid',
      title: 'Idempotency-Key is malformed',
      status: 400,
      detail: expect.stringMatching(reason),
      error: { type: 'retrysafe_error', code: 'KEY_INVALID', message: expect.stringMatching(reason) },
    })
    expect((await sandbox.meter.all()).received).toBe(0)
  })

  test('control: the provider itself takes such keys, and runs', async () => {
    expect((await charge('a b', sandbox.url)).status).toBe(200)
    expect((await charge('a b', sandbox.url)).status).toBe(200)
    expect((await sandbox.meter.all()).runs).toBe(2)
  })
})
