import { expect, test } from 'vitest'
import { joinUrl, readBaseUrl } from '../../../src/cli/batch/join-url.ts'

test.each([
  ['', '/v1/chat/completions', '/v1/chat/completions'],
  ['/v1', '/v1/chat/completions', '/v1/chat/completions'],
  ['/v1', '/chat/completions', '/v1/chat/completions'],
  ['/openai/v1', '/v1/chat/completions', '/openai/v1/chat/completions'],
  ['/openai', '/v1/chat/completions', '/openai/v1/chat/completions'],
  ['/v1beta', '/v1beta/models/m:generateContent', '/v1beta/models/m:generateContent'],
  // Another version, or a name that only begins alike, is none of the base's.
  ['/v1', '/v1beta/models/m:generateContent', '/v1/v1beta/models/m:generateContent'],
  ['/v1', '/v10/x', '/v1/v10/x'],
  ['/v2', '/v1/x', '/v2/v1/x'],
  ['/v1', '/v1', '/v1'],
  ['/v1', '/v1?a=b', '/v1?a=b'],
  // No version: a folder that both happen to have.
  ['/api', '/api/chat', '/api/api/chat'],
  ['/openai/deployments/x', '/chat/completions?api-version=1', '/openai/deployments/x/chat/completions?api-version=1'],
])('under %s, %s is %s', (base, url, target) => {
  expect(joinUrl(base, url)).toBe(target)
})

test.each([
  ['http://127.0.0.1:8787', 'http://127.0.0.1:8787', ''],
  ['http://127.0.0.1:8787/', 'http://127.0.0.1:8787', ''],
  ['https://api.openai.com/v1/', 'https://api.openai.com', '/v1'],
  ['HTTPS://Api.OpenAI.com:443/v1', 'https://api.openai.com', '/v1'],
])('%s is %s with %j before its paths', (text, origin, path) => {
  expect(readBaseUrl(text)).toEqual({ origin, path })
})

test.each([
  ['api.openai.com', 'it takes an http or https URL'],
  ['ftp://h/v1', 'it takes an http or https URL'],
  ['http:///v1', 'it takes an http or https URL'],
  ['http://h\\v1', 'it takes an http or https URL'],
  ['https://sk-secret@h/v1', 'without user and password: --api-key-env NAME'],
  ['https://u:sk-secret@h/v1', 'without user and password: --api-key-env NAME'],
  ['http://h/v1?key=sk-secret', 'without query and fragment'],
  ['http://h/v1#x', 'without query and fragment'],
  ['http://h//v1', 'without an empty segment'],
])('%s is refused, and no message shows it', (text, reason) => {
  let message = ''
  try {
    readBaseUrl(text)
  } catch (error) {
    message = String(error)
  }
  expect(message).toContain(reason)
  expect(message).not.toContain('sk-secret')
})
