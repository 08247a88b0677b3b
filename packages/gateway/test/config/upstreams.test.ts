import { describe, expect, test } from 'vitest'
import type { UpstreamTarget } from '../../src/config/config.ts'
import { FlagError } from '../../src/config/flag.ts'
import { combineUpstreams, readUpstream } from '../../src/config/upstreams.ts'

const builtIn = {
  openai: 'https://api.openai.com',
  anthropic: 'https://api.anthropic.com',
  gemini: 'https://generativelanguage.googleapis.com',
  ollama: 'http://127.0.0.1:11434',
}

/** What these values come to: name and URL. */
function upstreamsOf(...values: readonly string[]): Record<string, string> {
  const targets: readonly UpstreamTarget[] = [...combineUpstreams(values.map(readUpstream)).values()]
  return Object.fromEntries(targets.map(({ name, origin, basePath }) => [name, origin + basePath]))
}

describe('--upstream', () => {
  test.each<[string, string[], Record<string, string>]>([
    ['none: the built-in ones', [], builtIn],
    ['a bare URL turns them off', ['https://api.example'], { default: 'https://api.example' }],
    ['a name is added to them', ['mine=http://a:1'], { ...builtIn, mine: 'http://a:1' }],
    ['their own name replaces one', ['openai=http://a:1/base/'], { ...builtIn, openai: 'http://a:1/base' }],
    ['both', ['a=http://a', 'http://b', 'B.2_-=http://c'], { a: 'http://a', default: 'http://b', 'B.2_-': 'http://c' }],
    [
      'names count by case',
      ['a=http://a', 'A=http://b', 'http://c'],
      { a: 'http://a', A: 'http://b', default: 'http://c' },
    ],
    ['a URL with = in its path', ['http://a/b=c'], { default: 'http://a/b=c' }],
    ['the default port, slashes at the end', ['HTTPS://A.Example:443//'], { default: 'https://a.example' }],
    ['an address', ['http://[::1]:8080/v1'], { default: 'http://[::1]:8080/v1' }],
    ['a base path out of its dots', ['http://a/b/../c'], { default: 'http://a/c' }],
  ])('%s', (_, values, expected) => {
    expect(upstreamsOf(...values)).toEqual(expected)
  })

  test.each<[string, string[], RegExp]>([
    ['two without a name', ['http://a', 'http://b'], /one URL without a name/],
    ['a name twice', ['a=http://a', 'a=http://a'], /two have the name a$/],
    ['no name', ['=http://a'], /NAME=URL/],
    ['a name with a slash', ['a/b=http://a'], /NAME=URL/],
    ['a name with a percent sign', ['a%20=http://a'], /letters, digits/],
    ['a name outside ASCII', ['ä=http://a'], /letters, digits/],
    ['a long name', [`${'a'.repeat(65)}=http://a`], /1 to 64/],
    ['a name of our own', ['_retrysafe=http://a'], /_retrysafe cannot be a NAME/],
    ['the name of the bare one', ['default=http://a'], /default cannot be a NAME/],
    ['a dot segment', ['.=http://a'], /cannot be a NAME/],
    ['two dots', ['..=http://a'], /cannot be a NAME/],
    ['no URL', ['a='], /http or https URL/],
    ['nothing', [''], /http or https URL/],
    ['a host alone', ['api.example.com'], /http or https URL/],
    ['another scheme', ['ftp://a'], /http or https URL/],
    ['one slash', ['http:/a'], /http or https URL/],
    ['three slashes', ['http:///a'], /http or https URL/],
    ['a backslash', ['http://a\\b'], /http or https URL/],
    ['a tab', ['http://a\tb'], /http or https URL/],
    ['a port out of range', ['http://a:65536'], /http or https URL/],
    ['a user', ['http://me@a'], /without user and password/],
    ['an empty user', ['http://@a'], /without user and password/],
    ['a password', ['a=https://me:secret@a'], /without user and password/],
    ['a query', ['http://a/?b'], /without query and fragment/],
    ['an empty query', ['http://a/?'], /without query and fragment/],
    ['a fragment', ['a=http://a/#b'], /without query and fragment/],
    ['an empty segment', ['http://a//b'], /empty segment/],
  ])('%s is refused', (_, values, message) => {
    expect(() => upstreamsOf(...values)).toThrow(FlagError)
    expect(() => upstreamsOf(...values)).toThrow(message)
  })
})
