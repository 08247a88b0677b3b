import { describe } from 'vitest'
import { openStage } from '../support/stage.ts'
import { proveOneOutcome } from './cases.ts'
import { runtimes } from './sdk-host.ts'
import { useSdk } from './subject.ts'

const stage = await openStage()
const traits = {
  afterTimeout: 'retries',
  onConflict: 'retries',
  onTruncated: 'takes it for success',
} as const

describe.each(runtimes)('@anthropic-ai/sdk on Node $node', runtime => {
  const host = useSdk(runtime, 'anthropic', { '@anthropic-ai/sdk': 1 })
  proveOneOutcome({ ...traits, stage, host, api: 'messages' })
})
