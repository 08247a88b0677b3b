import { describe } from 'vitest'
import { openStage } from '../support/stage.ts'
import { proveOneOutcome } from './cases.ts'
import { proveMultipart } from './multipart.ts'
import { runtimes } from './sdk-host.ts'
import { useSdk } from './subject.ts'

const stage = await openStage()
const traits = { stage, afterTimeout: 'raises', onConflict: 'retries', onTruncated: 'takes it for success' } as const
const majors = {
  installed: { ai: 6, '@ai-sdk/openai': 3, '@ai-sdk/anthropic': 3 },
  newest: { ai: 7, '@ai-sdk/openai': 4, '@ai-sdk/anthropic': 4 },
}

describe.each(runtimes)('ai, $sdks, on Node $node', runtime => {
  const host = useSdk(runtime, 'ai', majors[runtime.sdks])
  describe.each(['openai chat', 'openai responses', 'anthropic messages'])('%s', api =>
    proveOneOutcome({ ...traits, api, host }),
  )
  describe('openai transcriptions', () => proveMultipart({ ...traits, api: 'openai transcriptions', host }))
})
