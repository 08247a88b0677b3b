import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readConfigFile } from '../../src/config/config-file.ts'
import { fileMembers } from '../../src/config/members.ts'
import { routeMemberNames } from '../../src/config/routes.ts'
import { readFileSettings, resolveSettings } from '../../src/config/settings.ts'

const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'retrysafe-page-'))
afterAll(() => rmSync(folder, { recursive: true }))

const examples = [...page.matchAll(/^```(json|js)\n([\s\S]*?)^```$/gm)].map(([, ending = '', text = '']) => ({
  ending,
  text,
}))

test('every member of the file and of a route is on the page', () => {
  const routes = page.slice(page.indexOf('## Routes'))
  expect([...fileMembers.keys(), 'routes'].filter(name => !page.includes(`\`${name}\``))).toEqual([])
  expect([...routeMemberNames, 'match', 'leaveOut'].filter(name => !routes.includes(`\`${name}\``))).toEqual([])
})

test.each(examples)('the example in $ending is what the gateway reads', async ({ ending, text }) => {
  const token = join(folder, 'token')
  writeFileSync(token, 'a token of 16 chars')
  const path = join(folder, `retrysafe.config.${ending}`)
  writeFileSync(path, text.replace('/run/secrets/retrysafe-admin-token', token))
  const { config } = resolveSettings(() => undefined, readFileSettings(await readConfigFile(path)))
  expect(config.routes?.map(({ pattern }) => pattern.text)).toEqual(
    ending === 'json'
      ? ['/openai/**', '/openai/v1/chat/*', '/azure/**']
      : ['/openai/v1/chat/**', '/openai/v1/responses/**'],
  )
  expect(config.retentionMs).toBe(ending === 'json' ? 86_400_000 : 3_600_000)
})
