import { duplicateCases } from './cases/duplicates.ts'
import { failureCases } from './cases/failures.ts'
import { handlerCases } from './cases/handlers.ts'
import { keyCases } from './cases/keys.ts'
import { payloadCases } from './cases/payloads.ts'
import { replayCases } from './cases/replay.ts'
import { resumeCases } from './cases/resume.ts'
import { resumeRequestCases } from './cases/resume-requests.ts'
import { streamCases } from './cases/streams.ts'
import type { Case } from './trial.ts'

/** What every server that we make safe does, whatever framework it stands on. */
export const table: readonly Case[] = [
  ...replayCases,
  ...keyCases,
  ...payloadCases,
  ...duplicateCases,
  ...failureCases,
  ...streamCases,
  ...resumeCases,
  ...resumeRequestCases,
  ...handlerCases,
]
