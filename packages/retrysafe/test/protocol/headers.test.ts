import { describe, expect, it } from 'vitest'
import { connectionTokens, isHopByHop, isOurs, isReplayable } from '../../src/protocol/headers.ts'

describe('isReplayable', () => {
  it.each([
    'content-type',
    'etag',
    'location',
    'x-request-id',
    'openai-version',
    'openai-processing-ms',
    'cache-control',
    'content-disposition',
    'content-language',
    'link',
    'vary',
  ])('keeps %s', name => {
    expect(isReplayable(name)).toBe(true)
  })

  it.each([
    'set-cookie',
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'content-length',
    'content-encoding',
    'date',
    'age',
    'retry-after',
    'retry-after-ms',
    'x-should-retry',
    'x-ratelimit-remaining-tokens',
    'x-ratelimit-reset',
    'ratelimit',
    'ratelimit-policy',
    'ratelimit-reset',
    'x-rate-limit-limit',
    'anthropic-ratelimit-tokens-remaining',
    'access-control-allow-origin',
    'access-control-expose-headers',
    'idempotent-replayed',
    'retrysafe-outcome',
    'retrysafe-key',
    'retrysafe-stream',
    'retrysafe-anything',
  ])('drops %s', name => {
    expect(isReplayable(name)).toBe(false)
  })
})

describe('isHopByHop and isOurs', () => {
  it('tells them', () => {
    expect(isHopByHop('transfer-encoding')).toBe(true)
    expect(isHopByHop('content-length')).toBe(false)
    expect(isOurs('retrysafe-outcome')).toBe(true)
    expect(isOurs('idempotent-replayed')).toBe(true)
    expect(isOurs('idempotency-key')).toBe(false)
    expect(isOurs('content-type')).toBe(false)
  })
})

describe('connectionTokens', () => {
  it('lists what a connection names, in lower case', () => {
    expect([...connectionTokens('Keep-Alive,  X-Hop ,close')]).toEqual(['keep-alive', 'x-hop', 'close'])
    expect(connectionTokens(undefined).size).toBe(0)
  })
})
